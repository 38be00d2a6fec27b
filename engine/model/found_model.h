// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_FOUND_MODEL_H_
#define PIVOT_ENGINE_MODEL_FOUND_MODEL_H_

// A model that the table of families (architecture.h) does not describe: nothing of it can be run, but the matrices of
// its decoder blocks are found by the names and shapes of its tensors, and can be rounded.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "engine/model/block_linears.h"

namespace pivot {

class ModelFolder;

struct FoundBlock {
  std::vector<BlockLinear> linears;  // by name; roles from LinearRole::kFound on
  std::vector<std::string> plain;    // modules of its other matrices: names in the block, sorted
};

struct FoundModel {
  absl::Status refusal;       // why it cannot be run
  std::string model_type;     // config.json's
  std::string block_prefix;   // "model.layers."
  Architecture architecture;  // these two names, and nothing else
  std::vector<FoundBlock> blocks;
  std::vector<std::string>
      outside;  // modules of matrices outside of the blocks, sorted: embeddings, head, other towers
};

/// What an opened folder holds whose config.json was refused with UNSUPPORTED_ARCHITECTURE: `refusal`, which is given
/// back when there are no numbered blocks with linear layers, or when matrices lie transposed (a bias as long as their
/// rows).
///
/// Blocks are those of the numbered list of modules that holds the most weights. A matrix in one is a linear layer
/// unless its columns are no multiple of 32, or its name says that it is an embedding or decides which expert a token
/// is sent to ("router", "gate" of at most 1024 rows). A compressed layer is one as well: its shape is read from the
/// tensors that stand for its weight.
absl::StatusOr<ModelConfig> FindModel(const ModelFolder& folder, const absl::Status& refusal);

/// What becomes of it, for people: what is rounded, what is kept, and that nothing is run.
std::string DescribeFound(const FoundModel& model);

/// OK when the family is in the table; otherwise why the model cannot be run.
absl::Status CheckCanRun(const ModelConfig& config);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_FOUND_MODEL_H_
