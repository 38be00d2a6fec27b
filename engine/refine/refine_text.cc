// SPDX-License-Identifier: Apache-2.0
#include "engine/refine/refine_text.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/ops/call_torch.h"
#include "engine/refine/self_text.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kStage[] = "self_text";
constexpr int64_t kHeldOutPart = 16;

int64_t HeldOut(int64_t windows) { return std::max<int64_t>(1, windows / kHeldOutPart); }

absl::StatusOr<at::Tensor> SelfWindows(const WeightReader& source, const CompressSpec& spec, int64_t windows,
                                       int64_t length, const std::vector<int64_t>& first_tokens,
                                       const JobHooks& hooks) {
  const auto start = Clock::now();
  const auto elapsed = [start] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  if (hooks.stage_started) hooks.stage_started(kStage, 1);
  const EvaluationHooks writing{.is_cancelled = hooks.is_cancelled, .progress = [&](int done, int of) {
                                  if (!hooks.progress) return;
                                  hooks.progress({.stage = kStage,
                                                  .done = done,
                                                  .total = of,
                                                  .elapsed_seconds = elapsed(),
                                                  .remaining_seconds = elapsed() / done * (of - done)});
                                }};
  PIVOT_ASSIGN_OR_RETURN(at::Tensor text, WriteSelfText(source,
                                                        {.windows = windows,
                                                         .length = length,
                                                         .first_tokens = first_tokens,
                                                         .seed = static_cast<uint64_t>(spec.calibration.seed)},
                                                        writing));
  if (hooks.stage_done) hooks.stage_done(kStage, elapsed(), 0);
  return text;
}

}  // namespace

absl::StatusOr<RefineText> MakeRefineText(const WeightReader& source, const CompressSpec& spec,
                                          const at::Tensor& calibration, const std::vector<int64_t>& first_tokens,
                                          const JobHooks& hooks) {
  const int64_t length = calibration.size(1);
  const auto most = static_cast<double>(kMostRefineTokens / length) / (1 + spec.refine.self_text);
  const int64_t read = std::min(calibration.size(0), std::max<int64_t>(2, static_cast<int64_t>(most)));
  const auto written = static_cast<int64_t>(std::llround(static_cast<double>(read) * spec.refine.self_text));
  const int64_t held = HeldOut(read);
  RefineText text{.windows = calibration.narrow(0, 0, read), .held_out = held};
  if (written < 2) return text;
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor self, SelfWindows(source, spec, written, length, first_tokens, hooks));
  return CallTorch("putting windows together", [&] {
    const int64_t self_held = HeldOut(written);
    return RefineText{
        .windows = at::cat({calibration.narrow(0, 0, read - held), self.narrow(0, 0, written - self_held),
                            calibration.narrow(0, read - held, held), self.narrow(0, written - self_held, self_held)}),
        .held_out = held + self_held};
  });
}

}  // namespace pivot
