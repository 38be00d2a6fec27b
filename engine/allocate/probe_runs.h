// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_ALLOCATE_PROBE_RUNS_H_
#define PIVOT_ENGINE_ALLOCATE_PROBE_RUNS_H_

// Runs of the original model with one block, or an end, changed, all at once, block by block.

#include <ATen/core/Tensor.h>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

#include "engine/forward/rotary.h"
#include "engine/forward/weights.h"

namespace pivot {

/// Methods may throw what ATen throws. What it borrows must outlive it.
class ProbeRuns {
 public:
  /// `streams`: Curvature::streams, of which the first `windows` are run; those of blocks to come, and the last, must
  /// be there.
  ProbeRuns(const WeightReader& reader, const RotaryTable& rotary, const std::vector<at::Tensor>& streams,
            int64_t windows);

  /// Moves all runs that have begun through the next block.
  void Advance(const BlockWeights& original);

  /// Begins a run behind this block, which has these weights; its number, from 0.
  size_t Start(int block, const BlockWeights& changed);

  /// Begins one where the next block to come begins, with this stream [windows, length, hidden], which ends in the head
  /// as it is or narrowed.
  size_t StartWith(at::Tensor stream, bool narrows_head);

  /// Mean KL divergence of a token, original from changed, nats, of each run; all must be behind the last block.
  absl::StatusOr<std::vector<double>> Finish();

 private:
  const WeightReader& reader_;
  const RotaryTable& rotary_;
  const std::vector<at::Tensor>& streams_;
  int64_t windows_;
  std::vector<at::Tensor> runs_;  // [windows, length, hidden]
  std::vector<bool> narrows_head_;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_ALLOCATE_PROBE_RUNS_H_
