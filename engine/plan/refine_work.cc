// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/refine_work.h"

#include <algorithm>

#include "engine/model/block_linears.h"

namespace pivot {
namespace {

constexpr int64_t kBlocksTogether = 2;
// A forward pass and its gradients by inputs and weights.
constexpr double kForwardAndBackward = 3;
// Bytes for each weight that is learned: latent and two moments in fp32, weight and gradient in bf16 and fp32, and what
// one layer's step takes beside.
constexpr int64_t kLearnedWeightBytes = 24;
constexpr int64_t kStepWeightBytes = 16;
// Logits, their softmax and the teacher's, in fp32.
constexpr int64_t kLogitCopies = 6;
constexpr int64_t kLogitRows = 512;
// What a layer leaves for its gradient, of the hidden size and of the intermediate one.
constexpr int64_t kHiddenCopies = 16;
constexpr int64_t kIntermediateCopies = 5;

struct Sizes {
  int64_t tokens = 0;
  int64_t step_tokens = 0;
  int64_t element = 0;        // bytes
  int64_t block_weights = 0;  // of the largest block
  int64_t all_weights = 0;
};

Sizes SizesOf(const ModelConfig& config, const CompressSpec& spec, const RefineOptions& options, DeviceKind device) {
  const double tokens = static_cast<double>(spec.calibration.num_tokens()) * (1 + options.self_text);
  Sizes sizes{.tokens = static_cast<int64_t>(std::min(tokens, static_cast<double>(kMostRefineTokens)))};
  sizes.step_tokens = std::min(std::max(options.step_tokens, spec.calibration.sequence_length), sizes.tokens);
  const bool is_short =
      spec.dtype == ComputeDtype::kBfloat16 || (spec.dtype == ComputeDtype::kAutomatic && device == DeviceKind::kCuda);
  sizes.element = is_short ? 2 : 4;
  for (int block = 0; block < config.num_blocks; ++block) {
    int64_t weights = 0;
    for (const BlockLinear& linear : BlockLinears(config, block))
      weights += linear.shape.out_features * linear.shape.in_features;
    sizes.block_weights = std::max(sizes.block_weights, weights);
    sizes.all_weights += weights;
  }
  return sizes;
}

int64_t ActivationBytes(const ModelConfig& config, const Sizes& sizes) {
  return sizes.step_tokens * sizes.element *
         (kHiddenCopies * config.hidden_size + kIntermediateCopies * config.intermediate_size);
}

int64_t BlockwiseBytes(const ModelConfig& config, const Sizes& sizes) {
  const int64_t streams = 2 * sizes.tokens * config.hidden_size * sizes.element;
  return streams + kBlocksTogether * (sizes.block_weights * kLearnedWeightBytes + ActivationBytes(config, sizes));
}

int64_t GlobalBytes(const ModelConfig& config, const Sizes& sizes) {
  const int64_t teacher = sizes.tokens * config.hidden_size * sizes.element;
  const int64_t ends = 2 * config.vocab_size * config.hidden_size * sizes.element;
  const int64_t borders = (config.num_blocks + 1) * sizes.step_tokens * config.hidden_size * sizes.element;
  const int64_t logits = kLogitCopies * kLogitRows * config.vocab_size * 4;
  return sizes.all_weights + teacher + ends + borders + logits + ActivationBytes(config, sizes) +
         sizes.block_weights * kStepWeightBytes;
}

/// The whole original, and the keys and values of the documents that it writes at once.
int64_t SelfTextBytes(const ModelConfig& config, const Sizes& sizes, DeviceKind device) {
  const int64_t documents = device == DeviceKind::kCuda ? kSelfTextsOfGpu : kSelfTextsOfCpu;
  const int64_t kept = documents * kSelfTextTokens * config.num_blocks * 2 * config.num_kv_heads * config.head_dim;
  return (sizes.all_weights + 2 * config.vocab_size * config.hidden_size + kept) * sizes.element +
         3 * documents * config.vocab_size * 4;
}

}  // namespace

RefineWork RefineWorkOf(const ModelConfig& config, const CompressSpec& spec, const RefineOptions& options,
                        DeviceKind device) {
  RefineWork work;
  if (!options.runs_blockwise()) return work;
  const Sizes sizes = SizesOf(config, spec, options, device);
  const int64_t length = spec.calibration.sequence_length;
  const auto blocks = static_cast<double>(config.num_blocks);
  const double pass = BlockForwardFlops(config, sizes.tokens, length);
  const double step = BlockForwardFlops(config, sizes.step_tokens, length);
  work.blockwise =
      blocks * (2 * pass + static_cast<double>(options.block_steps * kBlocksTogether) * kForwardAndBackward * step);
  work.bytes = BlockwiseBytes(config, sizes);
  if (options.self_text > 0) work.bytes = std::max(work.bytes, SelfTextBytes(config, sizes, device));
  if (!options.runs_globally()) return work;
  const double head = 2.0 * static_cast<double>(sizes.tokens * config.vocab_size * config.hidden_size);
  const double epoch = (1 + kForwardAndBackward) * blocks * pass + (1 + kForwardAndBackward) * head;
  work.global = blocks * pass + static_cast<double>(options.global_epochs) * epoch;
  work.bytes = std::max(work.bytes, GlobalBytes(config, sizes));
  return work;
}

}  // namespace pivot
