// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/cpu_memory.h"

#include <algorithm>

#include "engine/plan/pass_shapes.h"
#include "engine/plan/work.h"

namespace pivot {
namespace {

constexpr int64_t kFloatBytes = 4;
constexpr int64_t kDoubleBytes = 8;
constexpr int64_t kMoments = 3;  // H, C and D
// The program with libtorch's code and workspaces, and of a tokenizer what a token of its vocabulary takes.
constexpr int64_t kWorkerBytes = int64_t{150} << 20;
constexpr int64_t kTokenizerBytes = 1024;
// From this size on glibc maps every tensor by itself, and gives it back: DEFAULT_MMAP_THRESHOLD_MAX.
constexpr int64_t kMappedTensor = int64_t{32} << 20;
// Of smaller ones what they take in the heap beside what they hold, in tenths: as it was measured, more where tensors
// of bf16 lie between those of fp32.
constexpr int64_t kWasteTenths = 7;
constexpr int64_t kFloatWasteTenths = 3;
// Of a weight that is being written: its code, its share of words, and the code of the block that is computed.
constexpr int64_t kWrittenBytes = 3;
// Copies in fp32 of a group's weights: as they were, corrected, left over and dequantized; where they are only rounded
// also what the search for ranges makes of them.
constexpr int64_t kSolveCopies = 4;
constexpr int64_t kRoundCopies = 6;
// Copies of a tile's widest tensors, both streams' and what they differ by: in fp32 as they are; in bf16 also in the
// forms that products are made of.
constexpr int64_t kFloatStepCopies = 5;
constexpr int64_t kPackedStepCopies = 7;
// The part of what the layer-wise stage had that is not given back.
constexpr int64_t kLeftover = 3;
constexpr int64_t kEvaluatedTokens = 512;  // whose logits are in memory at once
constexpr int64_t kComparedTokens = 32;
constexpr int64_t kComparedCopies = 5;  // of logits in fp32
constexpr int64_t kEvaluationWindow = 2048;

/// Adds up tensors, with what the allocator wastes of them.
class Heap {
 public:
  explicit Heap(int64_t waste_tenths) : waste_tenths_(waste_tenths) {}

  void Add(int64_t tensor_bytes, int64_t copies) {
    const int64_t bytes = tensor_bytes * copies;
    bytes_ += tensor_bytes < kMappedTensor ? bytes + bytes / 10 * waste_tenths_ : bytes;
  }
  int64_t bytes() const { return bytes_; }

 private:
  int64_t waste_tenths_;
  int64_t bytes_ = 0;
};

class CpuMemory {
 public:
  CpuMemory(const ModelConfig& config, const CompressSpec& spec)
      : config_(config),
        spec_(spec),
        element_(spec.dtype == ComputeDtype::kBfloat16 ? 2 : kFloatBytes),
        waste_tenths_(spec.dtype == ComputeDtype::kBfloat16 ? kWasteTenths : kFloatWasteTenths) {}

  int64_t Peak() const {
    const int64_t program = kWorkerBytes + (spec_.reads_text() ? config_.vocab_size * kTokenizerBytes : 0);
    return program + std::max({Layerwise(), Assembly(), Evaluation()});
  }

 private:
  bool calibrates() const { return spec_.quantize.method == Method::kGptq; }
  int64_t parameters() const { return static_cast<int64_t>(BlockParameters(config_)); }
  int64_t end_weights() const { return config_.vocab_size * config_.hidden_size; }
  int64_t source_element() const { return config_.dtype == "float32" ? kFloatBytes : 2; }
  /// Pages of the source's embedding and head, and of what is written of them.
  int64_t MappedEnds() const { return 2 * (config_.tied_embeddings ? 1 : 2) * end_weights() * source_element(); }

  int64_t Layerwise() const {
    const int64_t mapped = 2 * parameters() * source_element() + (calibrates() ? end_weights() * source_element() : 0);
    return mapped + LayerwiseTensors();
  }

  /// A block that is written; where there is calibration also the block at hand, as it was and quantized, the one that
  /// is read ahead, and the streams.
  int64_t LayerwiseTensors() const {
    const int64_t linear = std::max<int64_t>(1, LargestLinear());
    const int64_t linears = (parameters() + linear - 1) / linear;
    Heap heap(waste_tenths_);
    heap.Add(linear, kWrittenBytes * linears);
    if (!calibrates()) return heap.bytes() + SolveBytes();
    heap.Add(linear * element_, 3 * linears);
    return heap.bytes() + StreamBytes() + std::max(StepBytes(), SolveBytes());
  }

  /// Of them, what stays in the heap behind the stage though it is free: pages that something small lies on.
  int64_t Leftover() const { return LayerwiseTensors() / kLeftover; }

  int64_t LargestLinear() const {
    int64_t most = 0;
    for (const BlockLinear& linear : ModelLinears(config_))
      most = std::max(most, linear.shape.out_features * linear.shape.in_features);
    return most;
  }

  int64_t StreamBytes() const {
    Heap heap(waste_tenths_);
    const int64_t of_feature = spec_.calibration.num_tokens() * element_;
    heap.Add(of_feature * config_.hidden_size, KeptStreams(config_, spec_));
    heap.Add(of_feature * config_.num_heads * config_.head_dim, 1);
    heap.Add(of_feature * HiddenFeatures(config_), 1);
    return heap.bytes();
  }

  int64_t StepBytes() const {
    Heap heap(waste_tenths_);
    const int64_t tokens = std::min(spec_.calibration.num_tokens(),
                                    std::max(TileTokens(DeviceKind::kCpu), spec_.calibration.sequence_length));
    const int64_t hidden = HiddenFeatures(config_);
    heap.Add(tokens * element_ * hidden, element_ == 2 ? kPackedStepCopies : kFloatStepCopies);
    heap.Add(tokens * element_ * config_.hidden_size, 2);
    heap.Add(hidden * hidden * kFloatBytes, kMoments);
    heap.Add(hidden * config_.hidden_size * kFloatBytes, 1);
    heap.Add(ExpertMomentBytes(config_, spec_), 1);
    return heap.bytes();
  }

  /// Of the widest group of layers; a factorization is in fp64, with room for its products.
  int64_t SolveBytes() const {
    int64_t most = 0;
    const auto count = [&](int64_t in, int64_t out) {
      Heap heap(waste_tenths_);
      heap.Add(out * in * kFloatBytes, calibrates() ? kSolveCopies : kRoundCopies);
      if (calibrates()) {
        heap.Add(in * in * kFloatBytes, 2);
        heap.Add(in * in * kDoubleBytes, 3);
      }
      most = std::max(most, heap.bytes());
    };
    if (config_.found != nullptr) {
      for (const BlockLinear& linear : ModelLinears(config_))
        count(linear.shape.in_features, linear.shape.out_features);
      return most;
    }
    for (const CountedGroup& counted : CountGroups(config_)) {
      int64_t out = 0;
      for (const LinearRole role : counted.group.members) out += ShapeOf(config_, role).out_features;
      count(GroupInFeatures(config_, counted.group), out);
    }
    return most;
  }

  /// A block of a folder that is read, as stored and as it computes.
  int64_t ReadBlock() const { return parameters() * (element_ + kFloatBytes); }

  /// The folder, read again, against the model in memory: both heads, and logits of a few tokens at a time. For few
  /// tokens a product of bf16 takes its weight in a form of its own.
  int64_t Assembly() const {
    if (!calibrates()) return MappedEnds() + Leftover();
    const int64_t heads = (element_ == 2 ? 3 : 2) * end_weights() * element_;
    return MappedEnds() + Leftover() + ReadBlock() + heads +
           kComparedCopies * kComparedTokens * config_.vocab_size * kFloatBytes;
  }

  /// States of both models, and a block or both heads with logits.
  int64_t Evaluation() const {
    if (spec_.evaluation.skip) return 0;
    const int64_t states = 2 * EvaluationTokens(spec_.evaluation) * config_.hidden_size * element_;
    const int64_t window = std::min(kEvaluationWindow, config_.max_positions);
    const int64_t block = ReadBlock() + window * element_ * (3 * HiddenFeatures(config_) + 4 * config_.hidden_size);
    const int64_t heads = 2 * (end_weights() + kEvaluatedTokens * config_.vocab_size) * element_;
    return MappedEnds() + Leftover() + states + std::max(block, heads);
  }

  const ModelConfig& config_;
  const CompressSpec& spec_;
  int64_t element_;  // bytes of a weight or an activation
  int64_t waste_tenths_;
};

}  // namespace

int64_t CpuMemoryOf(const ModelConfig& config, const CompressSpec& spec) { return CpuMemory(config, spec).Peak(); }

}  // namespace pivot
