// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_NARROW_ENDS_H_
#define PIVOT_ENGINE_FORMAT_NARROW_ENDS_H_

// Embedding and head as 8-bit floats.
//
// Loaders copy a plain tensor into a parameter of the model's dtype, whatever dtype the file has: transformers,
// vLLM and SGLang widen E4M3 as they widen F16. So the matrices before and behind the blocks take half their bytes in
// any format of safetensors, tied or not, where no loader reads codes of an embedding (transformers 5.24 fails on
// weight_packed, vLLM 0.33 has no head tied to one). There are no scales: values from 2^-6 to 448 keep 4 digits,
// smaller ones are multiples of 2^-9. In a runtime's memory the matrices are as large as ever.

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "engine/format/linear_storage.h"
#include "engine/model/model_config.h"

namespace pivot {

/// The largest value of E4M3.
inline constexpr double kFloat8Max = 448;
/// What plan files call the type of such a matrix.
inline constexpr char kNarrowType[] = "e4m3";
inline constexpr int kNarrowBits = 8;

/// Which matrices are stored so. A head that is the embedding goes with it, and is false.
struct NarrowEnds {
  bool embedding = false;
  bool head = false;

  bool any() const { return embedding || head; }
  friend bool operator==(const NarrowEnds&, const NarrowEnds&) = default;
};

/// "model.embed_tokens", "lm_head". Empty for a head that is the embedding.
std::string EmbeddingModule(const ModelConfig& config);
std::string HeadModule(const ModelConfig& config);

/// Whether this is one of their tensors.
bool IsNarrow(const ModelConfig& config, NarrowEnds ends, absl::string_view tensor);

/// Why a model's ends cannot be narrow in these layouts: "are of an architecture that is not supported". Empty when
/// they can.
std::string WhyNotNarrow(const ModelConfig& config, absl::Span<const CodeLayout> layouts);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_NARROW_ENDS_H_
