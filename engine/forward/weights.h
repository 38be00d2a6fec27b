// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORWARD_WEIGHTS_H_
#define PIVOT_ENGINE_FORWARD_WEIGHTS_H_

// Tensors of a model, read from its folder block by block.

#include <ATen/core/Tensor.h>
#include <array>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/checkpoint/linear_tensors.h"
#include "engine/checkpoint/quantized_linear.h"
#include "engine/format/checkpoint_folder.h"
#include "engine/model/block_linears.h"
#include "engine/plan/compress_spec.h"

namespace pivot {

struct Linear {
  at::Tensor weight;  // [out_features, in_features], compute dtype
  at::Tensor bias;    // [out_features], compute dtype; undefined when there is none
  /// Where the layer leaves each of its outputs, with its gradient once there is one; null: nowhere.
  std::vector<at::Tensor>* outputs = nullptr;
};

struct Norm {
  at::Tensor weight;  // [features], compute dtype, or fp32 with NormKind::kRmsOffset; undefined: nothing is normalized
  at::Tensor bias;    // [features], compute dtype; undefined when there is none
};

/// Gate, up and down of one expert.
using ExpertWeights = std::array<Linear, 3>;

struct BlockWeights {
  BlockAttention attention;
  std::array<Norm, kNumNormRoles> norms;
  std::array<Linear, kNumLinearRoles> linears;
  at::Tensor router;                   // [experts, hidden], compute dtype; undefined in a block with an MLP
  std::vector<ExpertWeights> experts;  // empty in a block with an MLP

  Norm& norm(NormRole role) { return norms[static_cast<size_t>(role)]; }
  const Norm& norm(NormRole role) const { return norms[static_cast<size_t>(role)]; }
  Linear& linear(LinearRole role) { return linears[static_cast<size_t>(role)]; }
  const Linear& linear(LinearRole role) const { return linears[static_cast<size_t>(role)]; }
  /// The same of an expert, whose role it then is; kNoExpert: of the block.
  Linear& linear(LinearRole role, int expert) {
    if (expert == kNoExpert) return linear(role);
    return experts[static_cast<size_t>(expert)]
                  [static_cast<size_t>(role) - static_cast<size_t>(LinearRole::kExpertGate)];
  }
  const Linear& linear(LinearRole role, int expert) const {
    return const_cast<BlockWeights*>(this)->linear(role, expert);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  }
};

/// What is before the blocks.
struct EmbeddingWeights {
  at::Tensor tokens;     // [vocab, hidden]
  at::Tensor positions;  // [positions, hidden], the first position's row first; undefined when there is none
};

/// What is behind the blocks.
struct HeadWeights {
  Norm norm;
  Linear head;  // [vocab, hidden]
};

/// kFloat for kFloat32, kBFloat16 for kBfloat16.
at::ScalarType ToScalarType(ComputeDtype dtype);

/// Reads the tensors of one folder, plain or compressed, in one dtype onto one device. Does not own the folder.
class WeightReader {
 public:
  WeightReader(const CheckpointFolder& folder, at::ScalarType dtype, at::Device device)
      : folder_(folder), dtype_(dtype), device_(device) {}

  const ModelConfig& config() const { return folder_.model.config(); }
  const CheckpointFolder& folder() const { return folder_; }
  at::ScalarType dtype() const { return dtype_; }
  at::Device device() const { return device_; }

  /// Compressed layers are dequantized: scale * code in fp32, rounded to the dtype. kInvalidArgument
  /// (MALFORMED_WEIGHTS) names a tensor that holds a value that is not finite.
  absl::StatusOr<BlockWeights> ReadBlock(int block) const;

  /// ReadBlock in two steps, so that a file can be read while the device computes: the first, which another thread may
  /// take, leaves the tensors in memory that the device reads at once.
  absl::StatusOr<BlockWeights> FetchBlock(int block) const;
  absl::StatusOr<BlockWeights> PlaceBlock(int block, const BlockWeights& fetched) const;

  /// The file's pages of a block no longer count as this process's memory. What was read stays.
  void ReleaseBlock(int block) const;

  absl::StatusOr<EmbeddingWeights> ReadEmbedding() const;
  absl::StatusOr<HeadWeights> ReadHead() const;  // the embedding's matrix when they are tied

  /// Whether a linear's weight in a BlockWeights is as it is in the file, not rounded.
  bool IsReadExactly(absl::string_view module, LinearShape shape) const;

  /// Weights of a linear as they are in the file, in fp32 on the CPU: dequantized when compressed.
  absl::StatusOr<at::Tensor> ReadExact(absl::string_view module, LinearShape shape) const;

  /// Codes, scales and zero points of a linear that is stored as such, on the CPU.
  absl::StatusOr<QuantizedLinear> ReadQuantized(absl::string_view module, LinearShape shape) const;

  /// The same with its codes as they are in the file. Views of the mapped file; several threads may call.
  absl::StatusOr<PackedLinear> ReadPackedCodes(absl::string_view module, LinearShape shape) const;

 private:
  absl::StatusOr<at::Tensor> ReadTensor(const std::string& name) const;
  absl::StatusOr<at::Tensor> Fetch(const std::string& name) const;
  absl::StatusOr<at::Tensor> Place(const at::Tensor& fetched, const std::string& name) const;
  absl::StatusOr<Norm> FetchNorm(const std::string& module) const;
  absl::StatusOr<Norm> PlaceNorm(const Norm& fetched, const std::string& module) const;
  absl::StatusOr<Linear> FetchLinear(const BlockLinear& entry) const;

  const CheckpointFolder& folder_;
  at::ScalarType dtype_;
  at::Device device_;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORWARD_WEIGHTS_H_
