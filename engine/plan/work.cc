// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/work.h"

#include <algorithm>

namespace pivot {
namespace {

// Beside tensors: the program with libtorch's code and workspaces, and a CUDA context with cuBLAS's.
constexpr int64_t kWorkerBytes = int64_t{700} << 20;
constexpr int64_t kCudaContextBytes = int64_t{900} << 20;
// Tokens whose logits are in memory at once during evaluation, and tensors of them: both models', and intermediates.
constexpr int64_t kLogitTokens = 512;
constexpr int64_t kLogitCopies = 6;
constexpr int64_t kFloatBytes = 4;
// Of a whole text whose length is not known: a little more than the built-in evaluation text has.
constexpr int64_t kWholeTextTokens = 400'000;

double BlockParameters(const ModelConfig& config) {
  double parameters = 0;
  for (const LinearEntry& linear : config.architecture->linears) {
    const LinearShape shape = ShapeOf(config, linear.role);
    parameters += static_cast<double>(shape.out_features) * static_cast<double>(shape.in_features);
  }
  return parameters;
}

int64_t GroupInFeatures(const ModelConfig& config, const LinearGroup& group) {
  return ShapeOf(config, group.members.front()).in_features;
}

}  // namespace

int64_t EvaluationTokens(const EvaluationSpec& spec) {
  if (spec.skip) return 0;
  return spec.max_tokens == 0 ? kWholeTextTokens : spec.max_tokens;
}

double BlockForwardFlops(const ModelConfig& config, int64_t num_tokens, int64_t sequence_length) {
  const auto tokens = static_cast<double>(num_tokens);
  // Causal: a token attends to half of its window on average; scores and values are two products.
  const double attention =
      2.0 * 2.0 * static_cast<double>(config.num_heads * config.head_dim) * static_cast<double>(sequence_length) / 2;
  return tokens * (2.0 * BlockParameters(config) + attention);
}

CompressWork WorkOf(const ModelConfig& config, const CompressSpec& spec, int64_t evaluation_tokens) {
  const auto blocks = static_cast<double>(config.num_blocks);
  const bool calibrates = spec.quantize.method == Method::kGptq;
  const bool propagates = spec.quantize.propagates();
  const auto tokens = static_cast<double>(spec.calibration.num_tokens());
  CompressWork work;
  if (calibrates) {
    const double streams = propagates ? 2 : 1;
    work.forward =
        streams * blocks * BlockForwardFlops(config, spec.calibration.num_tokens(), spec.calibration.sequence_length);
    for (const LinearGroup& group : config.architecture->groups) {
      const auto in = static_cast<double>(GroupInFeatures(config, group));
      // H; with both streams C and D too, and R where the output is added to the residual stream.
      const double products = propagates ? 3 : 1;
      work.statistics += products * blocks * 2.0 * tokens * in * in;
      const bool joins_stream = group.input == BlockInput::kAttentionOutput || group.input == BlockInput::kMlpHidden;
      if (propagates && joins_stream)
        work.statistics += blocks * 2.0 * tokens * in * static_cast<double>(config.hidden_size);
      double out = 0;
      for (const LinearRole role : group.members) out += static_cast<double>(ShapeOf(config, role).out_features);
      // Cholesky, inverse and Cholesky (4/3 n^3 together), error feedback (n^2 per row), correction (two products and
      // two solves).
      work.solve += blocks * (4.0 / 3.0 * in * in * in + out * in * in);
      // A sweep is one product over the whole Hessian, and one over the groups' own blocks.
      if (spec.scheme.is_integer())
        work.solve += blocks * 2.0 * static_cast<double>(spec.quantize.refine_sweeps) * out * in * in;
      if (propagates) work.solve += blocks * (in * in * in / 3.0 + 4.0 * out * in * in);
    }
  }
  const int64_t window = std::min<int64_t>(2048, config.max_positions);
  const double head =
      2.0 * static_cast<double>(config.vocab_size * config.hidden_size) * static_cast<double>(evaluation_tokens);
  work.evaluation = 2.0 * (blocks * BlockForwardFlops(config, evaluation_tokens, window) + head);
  return work;
}

CompressMemory MemoryOf(const ModelConfig& config, const CompressSpec& spec, DeviceKind device) {
  const int64_t element = spec.dtype == ComputeDtype::kBfloat16 || device == DeviceKind::kCuda ? 2 : 4;
  const bool calibrates = spec.quantize.method == Method::kGptq;
  const int64_t streams = spec.quantize.propagates() ? 2 : 1;
  int64_t widest_input = 0;
  for (const LinearGroup& group : config.architecture->groups)
    widest_input = std::max(widest_input, GroupInFeatures(config, group));

  int64_t work_bytes = 0;
  if (calibrates) {
    const int64_t tokens = spec.calibration.num_tokens();
    const int64_t attention_width = config.num_heads * config.head_dim;
    // The residual streams, the heads' outputs of both, and the quantized stream's hidden state.
    work_bytes += tokens * element * (streams * (config.hidden_size + attention_width) + config.intermediate_size);
    // H, C and D in fp32, their fp64 copies and factors.
    work_bytes += widest_input * widest_input * (3 * 4 + 4 * 8);
  }
  // One block of weights as read, as computed with, and corrected in fp32.
  work_bytes += static_cast<int64_t>(BlockParameters(config)) * (2 * element + 3 * kFloatBytes);
  if (!spec.evaluation.skip) {
    const int64_t evaluation = 2 * EvaluationTokens(spec.evaluation) * config.hidden_size * element +
                               config.vocab_size * (kLogitCopies * kLogitTokens * 4 + config.hidden_size * element);
    work_bytes = std::max(work_bytes, evaluation);
  }
  // The source's pages are mapped and can be dropped, but count as resident while they are there: two blocks and the
  // embedding.
  const auto mapped =
      static_cast<int64_t>(2 * BlockParameters(config) * 2) + config.vocab_size * config.hidden_size * 2;
  if (device == DeviceKind::kCpu) return {.host_bytes = kWorkerBytes + mapped + work_bytes, .gpu_bytes = 0};
  return {.host_bytes = 2 * kWorkerBytes + mapped, .gpu_bytes = kCudaContextBytes + work_bytes + work_bytes / 10};
}

}  // namespace pivot
