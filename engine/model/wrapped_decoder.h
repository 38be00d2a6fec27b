// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_WRAPPED_DECODER_H_
#define PIVOT_ENGINE_MODEL_WRAPPED_DECODER_H_

// The decoder inside a model that reads images or sounds too: "text_config" of its config.json is of a family of the
// table (architecture.h), and its tensors have the family's names below a name of their own. Text alone is run through
// it; every other tensor of the model is kept as it is.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "engine/model/model_config.h"

namespace pivot {

class ModelFolder;

struct WrappedDecoder {
  std::string model_type;  // config.json's: "gemma3"
  std::string module;      // "language_model": runtimes call its blocks MODULE.layers.N or MODULE.model.layers.N
  std::vector<std::string>
      outside;  // modules beside its blocks that may hold matrices, head included, sorted: "vision_tower"

  Architecture architecture;  // the family's, with these names of tensors
  std::string embedding, position_embedding, final_norm, head, block_prefix;
};

/// The decoder of an opened folder whose config.json was refused with UNSUPPORTED_ARCHITECTURE: `refusal`, which is
/// given back when there is no text_config of a family of the table, or its embedding is not there under any name. Its
/// configuration is text_config with dtype and eos_token_id of the whole model's; embeddings are tied when there is no
/// head. Errors are those of ParseModelConfig.
absl::StatusOr<ModelConfig> UnwrapDecoder(const ModelFolder& folder, const absl::Status& refusal);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_WRAPPED_DECODER_H_
