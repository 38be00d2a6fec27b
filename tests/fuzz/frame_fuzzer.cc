// SPDX-License-Identifier: Apache-2.0
// A datagram between server and worker: what is accepted is encoded to the same bytes but for the flags.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

#include "proto/worker/frame.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view datagram(reinterpret_cast<const char*>(data), size);
  const auto frame = pivot::DecodeFrame(datagram);
  if (!frame.ok()) return 0;
  const std::string again = pivot::EncodeFrame(frame->type, frame->seq, frame->payload);
  PIVOT_REQUIRE(again.size() == size && again.substr(8) == datagram.substr(8));
  return 0;
}
