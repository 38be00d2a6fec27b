// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/expert_pass.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

#include "engine/calibration/window_tiles.h"
#include "engine/forward/experts.h"
#include "engine/ops/part_seconds.h"
#include "engine/plan/work.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

/// Which tokens a run over the windows gathers moments of.
enum class Tokens { kOwn, kAll };

class ExpertPass {
 public:
  ExpertPass(const ModelConfig& config, const BlockWeights& original, BlockWeights& quantized,
             const BlockPassOptions& options, Streams& streams)
      : config_(config), original_(original), quantized_(quantized), options_(options), streams_(streams) {}

  absl::Status Quantize(const GroupSolver& solver) {
    PIVOT_RETURN_IF_ERROR(ReadInputs());
    for (const LinearGroup& group : config_.architecture->experts->groups)
      PIVOT_RETURN_IF_ERROR(SolveGroup(group, solver));
    inputs_ = {};
    original_inputs_ = {};
    return absl::OkStatus();
  }

  absl::Status MoveStreams() {
    return ForEachTile(streams_.quantized.windows(), options_, [&](int64_t first, int64_t count) {
      const Part part("forward");
      Move(quantized_, streams_.quantized, first, count);
      if (has_original()) Move(original_, streams_.original, first, count);
    });
  }

 private:
  bool has_original() const { return streams_.original.defined(); }

  void Move(const BlockWeights& weights, WindowTensor& windows, int64_t first, int64_t count) const {
    at::Tensor stream = windows.Read(first, count);
    AddExperts(config_, weights, MlpInput(config_, weights, stream), stream);
    windows.Keep(first, count);
  }

  /// What the experts read of both streams, and where the quantized one's tokens go.
  absl::Status ReadInputs() {
    inputs_ = streams_.quantized.Like(config_.hidden_size);
    if (has_original()) original_inputs_ = streams_.original.Like(config_.hidden_size);
    counts_.assign(static_cast<size_t>(config_.experts.count), 0);
    return ForEachTile(streams_.quantized.windows(), options_, [&](int64_t first, int64_t count) {
      const Part part("forward");
      const at::Tensor x = ReadInput(quantized_, streams_.quantized, inputs_, first, count);
      routings_.emplace_back(config_, quantized_.router, x.flatten(0, 1));
      for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += routings_.back().count(static_cast<int>(i));
      num_tokens_ += x.size(0) * x.size(1);
      if (has_original()) ReadInput(original_, streams_.original, original_inputs_, first, count);
    });
  }

  at::Tensor ReadInput(const BlockWeights& weights, const WindowTensor& stream, WindowTensor& inputs, int64_t first,
                       int64_t count) const {
    at::Tensor x = MlpInput(config_, weights, stream.Read(first, count));
    inputs.Fill(first, count).copy_(x);
    inputs.Keep(first, count);
    return x;
  }

  absl::Status SolveGroup(const LinearGroup& group, const GroupSolver& solver) {
    const int64_t least = LeastExpertTokens(InFeatures(group));
    std::vector<int> fed, starved;
    for (int expert = 0; expert < static_cast<int>(counts_.size()); ++expert)
      (counts_[static_cast<size_t>(expert)] >= least ? fed : starved).push_back(expert);
    PIVOT_RETURN_IF_ERROR(SolveInRuns(group, fed, Tokens::kOwn, ExpertFallback::kNone, solver));
    if (num_tokens_ < least) return RoundAll(group, starved, solver);
    if (group.input == BlockInput::kMlp) return SolveShared(group, starved, solver);
    return SolveInRuns(group, starved, Tokens::kAll, ExpertFallback::kAllExperts, solver);
  }

  int64_t InFeatures(const LinearGroup& group) const { return ShapeOf(config_, group.members.front()).in_features; }

  absl::Status RoundAll(const LinearGroup& group, absl::Span<const int> experts, const GroupSolver& solver) {
    for (const int expert : experts) PIVOT_RETURN_IF_ERROR(Solve(group, expert, ExpertFallback::kRounding, {}, solver));
    return absl::OkStatus();
  }

  /// Every expert reads the same tokens when it reads them all.
  absl::Status SolveShared(const LinearGroup& group, absl::Span<const int> experts, const GroupSolver& solver) {
    if (experts.empty()) return absl::OkStatus();
    std::vector<InputStatistics> statistics;
    PIVOT_RETURN_IF_ERROR(GatherRun(group, experts.first(1), Tokens::kAll, statistics));
    const InputMoments moments = std::move(statistics.front()).Finish();
    for (const int expert : experts)
      PIVOT_RETURN_IF_ERROR(Solve(group, expert, ExpertFallback::kShared, moments, solver));
    return absl::OkStatus();
  }

  absl::Status SolveInRuns(const LinearGroup& group, absl::Span<const int> experts, Tokens tokens,
                           ExpertFallback fallback, const GroupSolver& solver) {
    const int64_t in_features = InFeatures(group);
    const int64_t bytes = (has_original() ? 3 : 1) * in_features * in_features * int64_t{sizeof(float)};
    const auto at_once = static_cast<size_t>(std::max<int64_t>(1, kExpertMomentBytes / bytes));
    for (size_t first = 0; first < experts.size(); first += at_once) {
      const absl::Span<const int> run = experts.subspan(first, at_once);
      std::vector<InputStatistics> statistics;
      PIVOT_RETURN_IF_ERROR(GatherRun(group, run, tokens, statistics));
      for (size_t i = 0; i < run.size(); ++i)
        PIVOT_RETURN_IF_ERROR(Solve(group, run[i], fallback, std::move(statistics[i]).Finish(), solver));
    }
    return absl::OkStatus();
  }

  /// One run over the windows.
  absl::Status GatherRun(const LinearGroup& group, absl::Span<const int> experts, Tokens tokens,
                         std::vector<InputStatistics>& statistics) const {
    const CrossTerm cross = has_original() ? CrossTerm::kGathered : CrossTerm::kNone;
    for (size_t i = 0; i < experts.size(); ++i)
      statistics.emplace_back(InFeatures(group), cross, streams_.quantized.device());
    size_t tile = 0;
    return ForEachTile(streams_.quantized.windows(), options_, [&](int64_t first, int64_t count) {
      const Part part("forward");
      const Routing& routing = routings_[tile++];
      const at::Tensor q = inputs_.Read(first, count).flatten(0, 1);
      const at::Tensor f = has_original() ? original_inputs_.Read(first, count).flatten(0, 1) : at::Tensor();
      for (size_t i = 0; i < experts.size(); ++i) {
        if (tokens == Tokens::kOwn && routing.count(experts[i]) == 0) continue;
        const auto read = [&](const BlockWeights& weights, const at::Tensor& all) {
          if (!all.defined()) return all;
          const at::Tensor x = tokens == Tokens::kAll ? all : all.index_select(0, routing.tokens(experts[i]));
          return group.input == BlockInput::kMlp ? x : ExpertHidden(config_, weights, experts[i], x);
        };
        const Part inner("differences");
        statistics[i].Add(read(quantized_, q), read(original_, f), {});
      }
    });
  }

  absl::Status Solve(const LinearGroup& group, int expert, ExpertFallback fallback, InputMoments moments,
                     const GroupSolver& solver) {
    if (!AreFinite(moments)) {
      // The router never sent those tokens here: nothing is wrong with the model.
      if (fallback == ExpertFallback::kNone) return NotFinite(group, expert);
      fallback = ExpertFallback::kRounding;
      moments = {};
    }
    const ExpertUse use{.num_tokens = counts_[static_cast<size_t>(expert)], .fallback = fallback};
    return solver({{group, expert}, use}, std::move(moments), quantized_);
  }

  absl::Status NotFinite(const LinearGroup& group, int expert) const {
    const absl::string_view what = group.input == BlockInput::kMlp ? "its input" : "its hidden state";
    return WithReason(absl::FailedPreconditionError(
                          absl::StrCat(options_.prefix, config_.architecture->experts->prefix, expert, ": ", what,
                                       " holds values that are not finite, or too large to be squared")),
                      "NUMERICAL_FAILURE");
  }

  const ModelConfig& config_;
  const BlockWeights& original_;
  BlockWeights& quantized_;
  const BlockPassOptions& options_;
  Streams& streams_;
  // Of the quantized stream, but for original_inputs_:
  WindowTensor inputs_;            // [windows, length, hidden]
  WindowTensor original_inputs_;   // undefined without an original stream
  std::vector<Routing> routings_;  // of each tile
  std::vector<int64_t> counts_;    // tokens of each expert
  int64_t num_tokens_ = 0;         // of the block
};

}  // namespace

absl::Status PassExperts(const ModelConfig& config, const BlockWeights& original, BlockWeights& quantized,
                         const BlockPassOptions& options, const GroupSolver* solver, Streams& streams) {
  ExpertPass pass(config, original, quantized, options, streams);
  if (solver != nullptr) PIVOT_RETURN_IF_ERROR(pass.Quantize(*solver));
  return pass.MoveStreams();
}

}  // namespace pivot
