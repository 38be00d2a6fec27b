// SPDX-License-Identifier: Apache-2.0
// config.json: sizes that are accepted are ones that products of sizes do not overflow with.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

#include "engine/model/block_linears.h"
#include "engine/model/model_config.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = pivot::ParseModelConfig(text);
  if (!config.ok()) return 0;
  PIVOT_REQUIRE(config->architecture != nullptr && config->num_blocks > 0);
  for (const pivot::BlockLinear& linear : pivot::ModelLinears(*config)) {
    const pivot::LinearShape shape = linear.shape;
    constexpr int64_t kMost = int64_t{1} << 24;
    PIVOT_REQUIRE(shape.out_features > 0 && shape.in_features > 0);
    PIVOT_REQUIRE(shape.out_features <= kMost && shape.in_features <= kMost);
  }
  return 0;
}
