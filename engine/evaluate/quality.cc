// SPDX-License-Identifier: Apache-2.0
#include "engine/evaluate/quality.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/forward/block.h"
#include "engine/forward/ends.h"
#include "engine/ops/activation_calls.h"
#include "engine/ops/call_torch.h"
#include "engine/ops/device.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

// Positions whose logits are in memory at once.
constexpr int64_t kLogitRows = 512;

absl::Status Cancelled() { return absl::CancelledError("the job was cancelled"); }

bool IsCancelled(const EvaluationHooks& hooks) { return hooks.is_cancelled && hooks.is_cancelled(); }

int64_t Longest(const std::vector<at::Tensor>& windows) {
  int64_t longest = 0;
  for (const at::Tensor& window : windows) longest = std::max(longest, window.size(1));
  return longest;
}

absl::Status CheckTokens(const std::vector<at::Tensor>& windows, const ModelConfig& config) {
  for (const at::Tensor& window : windows) {
    const int64_t largest = window.max().item<int64_t>();
    if (largest >= config.vocab_size || window.min().item<int64_t>() < 0) {
      return absl::InvalidArgumentError(absl::StrCat("token ", largest, " is not in the model's vocabulary of ",
                                                     config.vocab_size,
                                                     "; tokenizer and model do not belong together"));
    }
  }
  return absl::OkStatus();
}

/// The hidden states of one model over all windows, moved block by block.
class HiddenStates {
 public:
  static absl::StatusOr<HiddenStates> Embed(const std::vector<at::Tensor>& windows, const WeightReader& reader) {
    PIVOT_RETURN_IF_ERROR(CheckTokens(windows, reader.config()));
    PIVOT_ASSIGN_OR_RETURN(const EmbeddingWeights embedding, reader.ReadEmbedding());
    HiddenStates states(reader, Longest(windows));
    for (const at::Tensor& window : windows)
      states.states_.push_back(EmbedTokens(reader.config(), embedding, window.to(reader.device()), 0));
    return states;
  }

  absl::Status RunBlock(int block, const EvaluationHooks& hooks) {
    PIVOT_ASSIGN_OR_RETURN(const BlockWeights weights, reader_->ReadBlock(block));
    for (at::Tensor& state : states_) {
      if (IsCancelled(hooks)) return Cancelled();
      state = ForwardBlock(reader_->config(), weights, state, rotary_.Range(0, state.size(1)), nullptr);
    }
    reader_->ReleaseBlock(block);
    return absl::OkStatus();
  }

  absl::Status Finish() {
    PIVOT_ASSIGN_OR_RETURN(head_, reader_->ReadHead());
    for (at::Tensor& state : states_) state = HeadInput(reader_->config(), head_, state);
    return absl::OkStatus();
  }

  /// What the head reads of a window, once finished.
  const at::Tensor& HeadInputs(size_t window) const { return states_[window]; }
  /// Logits of positions [first, first + count) of a window, [count, vocab], compute dtype.
  at::Tensor Logits(size_t window, int64_t first, int64_t count) const {
    return ComputeHead(reader_->config(), head_, states_[window][0].narrow(0, first, count));
  }
  at::Tensor BatchLogits(size_t window) const {
    return ComputeHead(reader_->config(), head_, states_[window]).to(at::kFloat);
  }

 private:
  HiddenStates(const WeightReader& reader, int64_t length)
      : reader_(&reader), rotary_(MakeRotaryTable(reader.config(), length, reader.dtype(), reader.device())) {}

  const WeightReader* reader_;
  RotaryTable rotary_;
  std::vector<at::Tensor> states_;  // [batch, length, hidden] each
  HeadWeights head_;
};

/// Of one batch, up to the head.
absl::StatusOr<HiddenStates> RunThrough(const at::Tensor& tokens, const WeightReader& model,
                                        const EvaluationHooks& hooks) {
  PIVOT_ASSIGN_OR_RETURN(HiddenStates states, HiddenStates::Embed({tokens}, model));
  for (int block = 0; block < model.config().num_blocks; ++block) PIVOT_RETURN_IF_ERROR(states.RunBlock(block, hooks));
  PIVOT_RETURN_IF_ERROR(states.Finish());
  return states;
}

/// Sums over predicted positions.
struct Sums {
  double model_nll = 0;
  double reference_nll = 0;
  int64_t same_top = 0;
  int64_t positions = 0;
  std::vector<float> kl;
};

at::Tensor NegativeLogLikelihood(const at::Tensor& logits, const at::Tensor& log_normalizer,
                                 const at::Tensor& targets) {
  return log_normalizer - logits.gather(1, targets.unsqueeze(1)).squeeze(1);
}

/// What ScoreRows does, in ATen's operations, for a GPU. All fp32.
RowScores ScoreRowsWithAten(const at::Tensor& model, const at::Tensor& reference, const at::Tensor& targets) {
  const at::Tensor model_normalizer = at::logsumexp(model, {1});
  RowScores scores{.model_nll = NegativeLogLikelihood(model, model_normalizer, targets)};
  if (!reference.defined()) return scores;
  const at::Tensor reference_normalizer = at::logsumexp(reference, {1});
  scores.reference_nll = NegativeLogLikelihood(reference, reference_normalizer, targets);
  scores.has_same_top = model.argmax(1) == reference.argmax(1);
  const at::Tensor probability = at::softmax(reference, 1);
  scores.kl = (reference - model).mul_(probability).sum(1) - reference_normalizer + model_normalizer;
  return scores;
}

void AddRows(const at::Tensor& model, const at::Tensor& reference, const at::Tensor& targets, Sums& sums) {
  const at::Tensor exact_reference = reference.defined() && !model.is_cpu() ? reference.to(at::kFloat) : reference;
  const RowScores scores = model.is_cpu() ? ScoreRows(model, reference, targets)
                                          : ScoreRowsWithAten(model.to(at::kFloat), exact_reference, targets);
  sums.model_nll += scores.model_nll.sum(at::kDouble).item<double>();
  sums.positions += targets.size(0);
  if (!reference.defined()) return;
  sums.reference_nll += scores.reference_nll.sum(at::kDouble).item<double>();
  sums.same_top += scores.has_same_top.sum().item<int64_t>();
  const at::Tensor on_cpu = scores.kl.to(at::kCPU).contiguous();
  sums.kl.insert(sums.kl.end(), on_cpu.const_data_ptr<float>(), on_cpu.const_data_ptr<float>() + on_cpu.numel());
}

absl::StatusOr<Sums> ScoreWindows(const std::vector<at::Tensor>& windows, const HiddenStates& model,
                                  const HiddenStates* reference, const EvaluationHooks& hooks) {
  Sums sums;
  for (size_t window = 0; window < windows.size(); ++window) {
    const int64_t predicted = windows[window].size(1) - 1;
    for (int64_t first = 0; first < predicted; first += kLogitRows) {
      if (IsCancelled(hooks)) return Cancelled();
      const int64_t count = std::min(kLogitRows, predicted - first);
      const at::Tensor model_logits = model.Logits(window, first, count);
      const at::Tensor reference_logits = reference == nullptr ? at::Tensor() : reference->Logits(window, first, count);
      AddRows(model_logits, reference_logits, windows[window][0].narrow(0, first + 1, count).to(model_logits.device()),
              sums);
    }
  }
  return sums;
}

Quality QualityOf(const std::vector<at::Tensor>& windows, double nll_sum, int64_t positions, ComputeDtype dtype) {
  Quality quality{.nll = nll_sum / static_cast<double>(positions), .predicted = positions, .dtype = dtype};
  quality.perplexity = std::exp(quality.nll);
  quality.windows = static_cast<int64_t>(windows.size());
  for (const at::Tensor& window : windows) quality.tokens += window.size(1);
  return quality;
}

double Percentile99(std::vector<float> values) {
  const size_t index = (values.size() - 1) * 99 / 100;
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(index), values.end());
  return values[index];
}

ComputeDtype DtypeOf(const WeightReader& reader) {
  return reader.dtype() == at::kBFloat16 ? ComputeDtype::kBfloat16 : ComputeDtype::kFloat32;
}

Comparison Summarize(const std::vector<at::Tensor>& windows, const Sums& sums, const WeightReader& model,
                     const WeightReader* reference) {
  Comparison comparison{.model = QualityOf(windows, sums.model_nll, sums.positions, DtypeOf(model))};
  if (reference == nullptr) return comparison;
  comparison.reference = QualityOf(windows, sums.reference_nll, sums.positions, DtypeOf(*reference));
  double kl_sum = 0;
  for (const float kl : sums.kl) kl_sum += kl;
  comparison.model.kl_mean = kl_sum / static_cast<double>(sums.positions);
  comparison.model.kl_p99 = Percentile99(sums.kl);
  size_t first = 0;
  for (const at::Tensor& window : windows) {
    const auto count = static_cast<size_t>(window.size(1) - 1);
    double sum = 0;
    for (size_t i = first; i < first + count; ++i) sum += sums.kl[i];
    comparison.window_kl.push_back(sum / static_cast<double>(count));
    first += count;
  }
  comparison.model.top1_agreement = static_cast<double>(sums.same_top) / static_cast<double>(sums.positions);
  return comparison;
}

}  // namespace

nlohmann::json QualityToJson(const Quality& quality) {
  nlohmann::json json{{"perplexity", quality.perplexity}, {"nll", quality.nll},
                      {"tokens", quality.tokens},         {"predicted", quality.predicted},
                      {"windows", quality.windows},       {"dtype", std::string(ComputeDtypeName(quality.dtype))},
                      {"seconds", quality.seconds}};
  if (quality.kl_mean.has_value()) json["kl_mean"] = *quality.kl_mean;
  if (quality.kl_p99.has_value()) json["kl_p99"] = *quality.kl_p99;
  if (quality.top1_agreement.has_value()) json["top1_agreement"] = *quality.top1_agreement;
  return json;
}

absl::StatusOr<Comparison> MeasureQuality(const std::vector<at::Tensor>& windows, const WeightReader& model,
                                          const WeightReader* reference, const EvaluationHooks& hooks) {
  if (reference != nullptr && reference->config().vocab_size != model.config().vocab_size) {
    return absl::InvalidArgumentError(absl::StrCat("the reference has ", reference->config().vocab_size,
                                                   " tokens, the model ", model.config().vocab_size,
                                                   ": they are not comparable"));
  }
  return CallTorch("evaluation", [&]() -> absl::StatusOr<Comparison> {
    ReturnFreeMemory();  // what ran before needed other sizes
    const auto start = std::chrono::steady_clock::now();
    PIVOT_ASSIGN_OR_RETURN(HiddenStates model_states, HiddenStates::Embed(windows, model));
    std::optional<HiddenStates> reference_states;
    if (reference != nullptr) {
      PIVOT_ASSIGN_OR_RETURN(reference_states, HiddenStates::Embed(windows, *reference));
    }
    const int model_blocks = static_cast<int>(model.config().num_blocks);
    const int reference_blocks = reference == nullptr ? 0 : static_cast<int>(reference->config().num_blocks);
    const int total = std::max(model_blocks, reference_blocks) + 1;
    for (int block = 0; block + 1 < total; ++block) {
      if (block < model_blocks) PIVOT_RETURN_IF_ERROR(model_states.RunBlock(block, hooks));
      if (block < reference_blocks) PIVOT_RETURN_IF_ERROR(reference_states->RunBlock(block, hooks));
      if (hooks.progress) hooks.progress(block + 1, total);
    }
    PIVOT_RETURN_IF_ERROR(model_states.Finish());
    if (reference_states.has_value()) PIVOT_RETURN_IF_ERROR(reference_states->Finish());
    PIVOT_ASSIGN_OR_RETURN(
        const Sums sums,
        ScoreWindows(windows, model_states, reference_states.has_value() ? &*reference_states : nullptr, hooks));
    if (hooks.progress) hooks.progress(total, total);
    Comparison comparison = Summarize(windows, sums, model, reference);
    comparison.model.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return comparison;
  });
}

absl::StatusOr<at::Tensor> ComputeHeadInput(const at::Tensor& tokens, const WeightReader& model,
                                            const EvaluationHooks& hooks) {
  return CallTorch("computing what the head reads", [&]() -> absl::StatusOr<at::Tensor> {
    PIVOT_ASSIGN_OR_RETURN(const HiddenStates states, RunThrough(tokens, model, hooks));
    return states.HeadInputs(0);
  });
}

absl::StatusOr<at::Tensor> ComputeLogits(const at::Tensor& tokens, const WeightReader& model,
                                         const EvaluationHooks& hooks) {
  return CallTorch("computing logits", [&]() -> absl::StatusOr<at::Tensor> {
    PIVOT_ASSIGN_OR_RETURN(const HiddenStates states, RunThrough(tokens, model, hooks));
    return states.BatchLogits(0).to(at::kCPU).contiguous();
  });
}

}  // namespace pivot
