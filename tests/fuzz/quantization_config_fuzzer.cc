// SPDX-License-Identifier: Apache-2.0
// quantization_config of config.json, in every format that is read, and what it says of layers.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

#include "engine/format/quantization_config.h"
#include "engine/model/json.h"
#include "engine/model/model_shapes.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto document = pivot::ParseJson(text, "config.json");
  if (!document.ok()) return 0;
  const auto config = pivot::ParseQuantizationConfig(*document);
  if (!config.ok()) return 0;
  constexpr pivot::LinearShape kShape{.out_features = 192, .in_features = 256};
  for (const char* module : {"model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj", "lm_head"}) {
    auto storage = config->StorageOf(module);
    if (!storage.has_value()) continue;
    storage->scheme = storage->scheme.ForRow(kShape.in_features);
    PIVOT_REQUIRE(!pivot::StoredTensors(module, kShape, *storage).empty());
    PIVOT_REQUIRE(pivot::StoredBytes(kShape, *storage) >= 0);
  }
  return 0;
}
