// SPDX-License-Identifier: Apache-2.0
// A whole safetensors file in memory: tensors that are accepted cover its payload, each byte once.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

#include "engine/model/safetensors.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto header = pivot::ParseSafetensorsHeader(bytes, static_cast<int64_t>(size), "model.safetensors");
  if (!header.ok()) return 0;
  int64_t end = 0;
  for (const pivot::TensorInfo& tensor : header->tensors) {
    PIVOT_REQUIRE(tensor.begin == end && tensor.end >= tensor.begin);
    const auto elements = pivot::NumElements(tensor.shape);
    PIVOT_REQUIRE(elements.ok() && *elements * pivot::DtypeBits(tensor.dtype) == 8 * tensor.bytes());
    end = tensor.end;
  }
  PIVOT_REQUIRE(header->payload_offset + end == static_cast<int64_t>(size));
  for (const int64_t offset : pivot::PieceOffsets(*header, static_cast<int64_t>(size)))
    PIVOT_REQUIRE(offset >= 0 && offset <= static_cast<int64_t>(size));
  return 0;
}
