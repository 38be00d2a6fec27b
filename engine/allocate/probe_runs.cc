// SPDX-License-Identifier: Apache-2.0
#include "engine/allocate/probe_runs.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"

#include "engine/checkpoint/narrow_tensor.h"
#include "engine/forward/block.h"
#include "engine/forward/ends.h"
#include "proto/status/status_macros.h"

namespace pivot {

ProbeRuns::ProbeRuns(const WeightReader& reader, const RotaryTable& rotary, const std::vector<at::Tensor>& streams,
                     int64_t windows)
    : reader_(reader), rotary_(rotary), streams_(streams), windows_(windows) {}

void ProbeRuns::Advance(const BlockWeights& original) {
  for (at::Tensor& run : runs_) run = ForwardBlock(reader_.config(), original, run, rotary_, nullptr);
}

size_t ProbeRuns::Start(int block, const BlockWeights& changed) {
  const at::Tensor input = streams_[static_cast<size_t>(block)].narrow(0, 0, windows_).to(reader_.device());
  return StartWith(ForwardBlock(reader_.config(), changed, input, rotary_, nullptr), /*narrows_head=*/false);
}

size_t ProbeRuns::StartWith(at::Tensor stream, bool narrows_head) {
  runs_.push_back(std::move(stream));
  narrows_head_.push_back(narrows_head);
  return runs_.size() - 1;
}

absl::StatusOr<std::vector<double>> ProbeRuns::Finish() {
  std::vector<double> sums(runs_.size(), 0);
  if (runs_.empty()) return sums;
  const ModelConfig& config = reader_.config();
  PIVOT_ASSIGN_OR_RETURN(const HeadWeights head, reader_.ReadHead());
  HeadWeights narrowed = head;
  if (absl::c_linear_search(narrows_head_, true)) narrowed.head.weight = RoundToFloat8(head.head.weight);
  const auto flat_input = [&](const at::Tensor& stream) { return HeadInput(config, head, stream).flatten(0, 1); };
  const at::Tensor original = flat_input(streams_.back().narrow(0, 0, windows_).to(reader_.device()));
  for (at::Tensor& run : runs_) run = flat_input(run);
  const auto log_probabilities = [&](const HeadWeights& weights, const at::Tensor& input, int64_t first,
                                     int64_t count) {
    return at::log_softmax(ComputeHead(config, weights, input.narrow(0, first, count)), -1, at::kFloat);
  };
  const int64_t rows = LogitRows(reader_.device());
  for (int64_t first = 0; first < original.size(0); first += rows) {
    const int64_t count = std::min(rows, original.size(0) - first);
    const at::Tensor expected = log_probabilities(head, original, first, count);
    const at::Tensor probabilities = expected.exp();
    for (size_t i = 0; i < runs_.size(); ++i) {
      const HeadWeights& weights = narrows_head_[i] ? narrowed : head;
      const at::Tensor difference = log_probabilities(weights, runs_[i], first, count).sub_(expected);
      sums[i] -= difference.mul_(probabilities).sum(at::kDouble).item<double>();
    }
  }
  for (double& sum : sums) sum /= static_cast<double>(original.size(0));
  return sums;
}

}  // namespace pivot
