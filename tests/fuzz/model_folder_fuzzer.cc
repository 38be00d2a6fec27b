// SPDX-License-Identifier: Apache-2.0
// A model folder of config.json and, behind a NUL, the header of its weights: what config.json asks for against what is
// there. The header gets its length word and as many zeros as it speaks of, so that an input is text.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

#include "engine/format/checkpoint_folder.h"
#include "engine/format/loader_rules.h"
#include "engine/model/json.h"
#include "tests/engine/model/raw_safetensors.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/scratch_folder.h"

namespace {

constexpr uint64_t kMaxPayload = 1 << 16;
// More of the same takes long and leads nowhere.
constexpr int64_t kMaxBlocks = 3;

/// Where the last tensor ends, as the header says it.
size_t PayloadOf(absl::string_view header) {
  const auto document = pivot::ParseJson(header, "the header");
  uint64_t end = 0;
  if (!document.ok() || !document->is_object()) return 0;
  for (const auto& [name, entry] : document->items()) {
    const auto offsets = entry.is_object() ? entry.value("data_offsets", nlohmann::json()) : nlohmann::json();
    if (offsets.is_array() && offsets.size() == 2 && offsets[1].is_number_unsigned())
      end = std::max(end, offsets[1].get<uint64_t>());
  }
  return static_cast<size_t>(std::min(end, kMaxPayload));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const pivot::ScratchFolder folder;
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const absl::string_view config = input.substr(0, input.find('\0'));
  const absl::string_view header = config.size() < size ? input.substr(config.size() + 1) : "";
  if (const auto parsed = pivot::ParseModelConfig(config); parsed.ok() && parsed->num_blocks > kMaxBlocks) return 0;
  folder.Write("config.json", config);
  folder.Write("model.safetensors", pivot::RawSafetensors(header), PayloadOf(header));
  const auto checkpoint = pivot::OpenCheckpointUnchecked(folder.path());
  if (!checkpoint.ok()) return 0;
  const bool is_whole = pivot::TensorProblems(*checkpoint).empty();
  PIVOT_REQUIRE(pivot::OpenCheckpoint(folder.path()).ok() == is_whole);
  pivot::Inspect(folder.path()).IgnoreError();
  if (is_whole && checkpoint->quantization.has_value()) pivot::CheckLoaderRules(*checkpoint, 2);
  for (const auto& [name, location] : checkpoint->model.tensors()) {
    PIVOT_REQUIRE(static_cast<int64_t>(checkpoint->model.Bytes(name).size()) == location.info->bytes());
  }
  return 0;
}
