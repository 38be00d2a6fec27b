// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_GGUF_GGUF_NAMES_H_
#define PIVOT_ENGINE_MODEL_GGUF_GGUF_NAMES_H_

// What GGUF calls the parts of the families of architecture.h, and in which order it keeps rows. A further family is a
// further entry.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

#include "engine/model/model_config.h"

namespace pivot {

struct GgufFamily {
  absl::string_view model_type;    // config.json's
  absl::string_view architecture;  // general.architecture, and the beginning of keys
  /// Whether rows of query and key alternate between the halves that the rotary embedding turns together, which
  /// config.json's families keep apart.
  bool interleaves_rotary_rows;
};

/// Null when there is no such family.
const GgufFamily* GgufFamilyOf(const Architecture& architecture);
const GgufFamily* FindGgufFamily(absl::string_view gguf_architecture);
/// "llama, qwen2".
std::string GgufFamilyNames();

/// "blk.3.attn_q.weight" for "model.layers.3.self_attn.q_proj.weight", and back; nothing for a tensor that the
/// architecture has not.
std::optional<std::string> GgufTensorName(const Architecture& architecture, absl::string_view name);
std::optional<std::string> NameOfGgufTensor(const Architecture& architecture, absl::string_view gguf_name);

/// Heads whose rows are in another order in GGUF: those of query and key of a family that interleaves them; else 0.
int64_t InterleavedHeads(const ModelConfig& config, absl::string_view name);

/// The bytes of a tensor of `rows` rows, in GGUF's order: in each head, row i of the first half and row i of the second
/// follow each other. And back. `rows` must be a multiple of 2 * heads.
std::string InterleaveRows(absl::string_view bytes, int64_t rows, int64_t heads);
std::string SeparateRows(absl::string_view bytes, int64_t rows, int64_t heads);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_GGUF_GGUF_NAMES_H_
