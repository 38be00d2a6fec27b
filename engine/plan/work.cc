// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/work.h"

#include <algorithm>
#include <bit>

#include "engine/model/block_linears.h"
#include "engine/plan/cpu_memory.h"
#include "engine/plan/pass_shapes.h"

namespace pivot {
namespace {

// Beside tensors: the program with the code of libtorch and CUDA's libraries, and a CUDA context with cuBLAS's.
constexpr int64_t kGpuWorkerBytes = int64_t{2800} << 20;
constexpr int64_t kWrittenBytes = 4;  // of a weight
constexpr int64_t kCudaContextBytes = int64_t{900} << 20;
// Tokens whose logits are in memory at once during evaluation, and tensors of them: both models', and intermediates.
constexpr int64_t kLogitTokens = 512;
constexpr int64_t kLogitCopies = 6;
constexpr int64_t kFloatBytes = 4;
// Of a whole text whose length is not known: a little more than the built-in evaluation text has.
constexpr int64_t kWholeTextTokens = 400'000;

/// What a token meets in a block, on average over the blocks.
double ActiveParameters(const ModelConfig& config) {
  double parameters = 0;
  for (int block = 0; block < config.num_blocks; ++block) {
    for (const BlockLinear& linear : DistinctLinears(config, block)) {
      const auto times = linear.expert == kNoExpert ? 1.0 : static_cast<double>(config.experts.per_token);
      parameters += static_cast<double>(linear.shape.out_features * linear.shape.in_features) * times;
    }
  }
  return parameters / static_cast<double>(std::max<int64_t>(1, config.num_blocks));
}

/// What a step of a pass takes: gate, up and hidden state of both streams and what they differ by, and their normalized
/// input; H, C and R of the MLP's hidden state in fp32, and the moments of experts.
int64_t StepBytes(const ModelConfig& config, const CompressSpec& spec, int64_t element) {
  const int64_t step = std::min(spec.calibration.num_tokens(),
                                std::max(TileTokens(DeviceKind::kCuda), spec.calibration.sequence_length));
  const int64_t hidden = HiddenFeatures(config);
  return step * element * (5 * hidden + 2 * config.hidden_size) +
         hidden * (2 * hidden + config.hidden_size) * kFloatBytes + ExpertMomentBytes(config, spec);
}

/// What the widest group of layers takes while it is solved: H and its factor in fp32, the factorization in fp64 with
/// room for its products, and the group's weights as they were, corrected, left over and dequantized.
int64_t SolveBytes(const ModelConfig& config, bool calibrates) {
  int64_t most = 0;
  if (config.found != nullptr) {
    for (const BlockLinear& linear : ModelLinears(config))
      most = std::max(most, 4 * linear.shape.out_features * linear.shape.in_features * kFloatBytes);
    return most;
  }
  for (const auto& [group, count, met] : CountGroups(config)) {
    const int64_t in = GroupInFeatures(config, group);
    int64_t out = 0;
    for (const LinearRole role : group.members) out += ShapeOf(config, role).out_features;
    most = std::max(most, (calibrates ? in * in * (2 * 4 + 3 * 8) : 0) + 4 * out * in * kFloatBytes);
  }
  return most;
}

/// Bytes on a GPU, but for its context.
struct PassBytes {
  int64_t element = 2;  // of an activation
  int64_t fixed = 0;    // weights, and the larger of a step and a solution
  int64_t streams = 0;  // residual streams and heads of all windows
  int64_t hidden = 0;   // the MLP's hidden state of all windows
  int64_t buffers = 0;  // through which streams and heads pass that are not resident
  int64_t evaluation = 0;
};

PassBytes PassBytesOf(const ModelConfig& config, const CompressSpec& spec) {
  PassBytes pass;
  // One block of weights as read and as quantized.
  const int64_t weights = static_cast<int64_t>(BlockParameters(config)) * 2 * pass.element;
  const bool calibrates = spec.quantize.method == Method::kGptq;
  const int64_t step = calibrates ? StepBytes(config, spec, pass.element) : 0;
  pass.fixed = weights + std::max(step, SolveBytes(config, calibrates));
  if (calibrates) {
    const int64_t tokens = spec.calibration.num_tokens();
    const int64_t tile =
        TileWindows(DeviceKind::kCuda, spec.calibration.sequence_length) * spec.calibration.sequence_length;
    pass.streams = tokens * pass.element * KeptFeatures(config, spec);
    pass.hidden = tokens * pass.element * HiddenFeatures(config);
    pass.buffers = 2 * tile * pass.element * KeptFeatures(config, spec);
  }
  if (!spec.evaluation.skip) {
    pass.evaluation = 2 * EvaluationTokens(spec.evaluation) * config.hidden_size * pass.element +
                      config.vocab_size * (kLogitCopies * kLogitTokens * 4 + config.hidden_size * pass.element);
  }
  return pass;
}

int64_t WithReserve(int64_t bytes) { return kCudaContextBytes + bytes + bytes / 10; }

/// Of streams and heads of one tile of windows. ATen takes page-locked memory by powers of two.
int64_t PageLockedTileBytes(const ModelConfig& config, const CompressSpec& spec, int64_t element) {
  const int64_t length = spec.calibration.sequence_length;
  const int64_t tokens = TileWindows(DeviceKind::kCuda, length) * length;
  const auto rounded = [&](int64_t features) {
    return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(tokens * element * features)));
  };
  const int64_t streams = spec.quantize.propagates() ? 2 : 1;
  const int64_t inputs = config.experts.count > 0 ? streams : 0;
  return (streams + inputs) * rounded(config.hidden_size) + rounded(config.num_heads * config.head_dim);
}

}  // namespace

int64_t TileWindows(DeviceKind device, int64_t sequence_length) {
  return std::max<int64_t>(1, TileTokens(device) / std::max<int64_t>(1, sequence_length));
}

int64_t TileTokens(DeviceKind device) { return device == DeviceKind::kCuda ? 32768 : 4096; }

int64_t EvaluationTokens(const EvaluationSpec& spec) {
  if (spec.skip) return 0;
  return spec.max_tokens == 0 ? kWholeTextTokens : spec.max_tokens;
}

double BlockForwardFlops(const ModelConfig& config, int64_t num_tokens, int64_t sequence_length) {
  const auto tokens = static_cast<double>(num_tokens);
  // Causal: a token attends to half of its window on average; scores and values are two products.
  const double attention =
      2.0 * 2.0 * static_cast<double>(config.num_heads * config.head_dim) * static_cast<double>(sequence_length) / 2;
  return tokens * (2.0 * ActiveParameters(config) + attention);
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
    for (const auto& [group, count, met] : CountGroups(config)) {
      const auto in = static_cast<double>(GroupInFeatures(config, group));
      // H; with both streams C and D too, and R where the output is added to the residual stream. Of H and D, which are
      // symmetric, five eighths.
      const double products = propagates ? 0.625 + 1 + 0.625 : 0.625;
      work.statistics += products * met * 2.0 * tokens * in * in;
      const bool joins_stream = group.input == BlockInput::kAttentionOutput || group.input == BlockInput::kMlpHidden;
      if (propagates && joins_stream && group.expert == kNoExpert)
        work.statistics += met * 2.0 * tokens * in * static_cast<double>(config.hidden_size);
      double out = 0;
      for (const LinearRole role : group.members) out += static_cast<double>(ShapeOf(config, role).out_features);
      // Cholesky and triangular inverse (n^3 together), error feedback (n^2 per row), correction (two products and two
      // solves).
      work.solve += count * (in * in * in + out * in * in);
      // A sweep is one product over the whole Hessian, and one over the groups' own blocks.
      if (spec.scheme.is_integer())
        work.solve += count * 2.0 * static_cast<double>(spec.quantize.refine_sweeps) * out * in * in;
      if (propagates) work.solve += count * (in * in * in / 3.0 + 4.0 * out * in * in);
    }
  }
  const int64_t window = std::min<int64_t>(2048, config.max_positions);
  const double head =
      2.0 * static_cast<double>(config.vocab_size * config.hidden_size) * static_cast<double>(evaluation_tokens);
  work.evaluation = 2.0 * (blocks * BlockForwardFlops(config, evaluation_tokens, window) + head);
  return work;
}

CompressMemory MemoryOf(const ModelConfig& config, const CompressSpec& spec, DeviceKind device) {
  if (device == DeviceKind::kCpu) return {.host_bytes = CpuMemoryOf(config, spec)};
  const PassBytes pass = PassBytesOf(config, spec);
  const auto parameters = static_cast<int64_t>(BlockParameters(config));
  // On the host: the block that is read ahead, and codes, words and room to compare them of the one being written.
  const int64_t beside = parameters * (pass.element + kWrittenBytes);
  // The source's pages are mapped and can be dropped, but count as resident while they are there: two blocks and the
  // embedding.
  const int64_t mapped = 2 * parameters * 2 + config.vocab_size * config.hidden_size * 2;
  const int64_t kept_work = std::max(pass.fixed + pass.streams + pass.hidden, pass.evaluation);
  // A block that was uploaded leaves its page-locked memory to the one after the next.
  return {.host_bytes = kGpuWorkerBytes + mapped + beside + parameters * pass.element,
          .gpu_bytes = WithReserve(kept_work),
          .tensor_bytes = kept_work,
          .least_gpu_bytes = WithReserve(std::max(pass.fixed + std::min(pass.streams, pass.buffers), pass.evaluation))};
}

ActivationPlacement PlaceActivations(const ModelConfig& config, const CompressSpec& spec, int64_t gpu_memory_bytes) {
  const PassBytes pass = PassBytesOf(config, spec);
  const auto placed = [&](bool recomputes_hidden, int64_t resident_windows, int64_t streams) {
    const int64_t hidden = recomputes_hidden ? 0 : pass.hidden;
    return ActivationPlacement{.recomputes_hidden = recomputes_hidden,
                               .resident_windows = resident_windows,
                               .gpu_bytes = WithReserve(std::max(pass.fixed + streams + hidden, pass.evaluation))};
  };
  const int64_t samples = spec.calibration.num_samples;
  for (const bool recomputes_hidden : {false, true}) {
    const ActivationPlacement placement = placed(recomputes_hidden, samples, pass.streams);
    if (placement.gpu_bytes <= gpu_memory_bytes || pass.streams == 0) return placement;
  }
  const int64_t tile = TileWindows(DeviceKind::kCuda, spec.calibration.sequence_length);
  const int64_t room = (gpu_memory_bytes - kCudaContextBytes) / 11 * 10 - pass.fixed - pass.buffers;
  const int64_t window = std::max<int64_t>(1, pass.streams / samples);
  const int64_t resident = std::clamp<int64_t>(room / window, 0, samples) / tile * tile;
  ActivationPlacement placement = placed(true, resident, pass.buffers + resident * window);
  placement.host_bytes = (samples - resident + tile - 1) / tile * PageLockedTileBytes(config, spec, pass.element);
  return placement;
}

}  // namespace pivot
