// SPDX-License-Identifier: Apache-2.0
#include "client/view/live_lines.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "client/jobs.h"
#include "client/view/units.h"

namespace pivot::client {
namespace {

constexpr size_t kLabelColumns = 12;
constexpr size_t kMinBarColumns = 10;
constexpr size_t kMaxBarColumns = 30;
constexpr size_t kColumnsForBar = 50;  // in narrower terminals the numbers matter more

/// Parts two spaces apart, as many from the left as fit.
std::string Fit(const std::vector<std::string>& parts, size_t columns) {
  std::string line;
  for (const std::string& part : parts) {
    if (part.empty()) continue;
    const std::string longer = line.empty() ? part : absl::StrCat(line, "  ", part);
    if (DisplayWidth(longer) > columns && !line.empty()) break;
    line = longer;
  }
  return CutToWidth(line, columns);
}

std::string Padded(const std::string& text, size_t columns) {
  const size_t width = DisplayWidth(text);
  return width >= columns ? text : text + std::string(columns - width, ' ');
}

std::string Bar(const StageView& stage, size_t columns) {
  if (columns < kColumnsForBar) return "";
  const size_t width = std::clamp(columns / 4, kMinBarColumns, kMaxBarColumns);
  const double share = stage.total > 0 ? static_cast<double>(stage.done) / static_cast<double>(stage.total) : 0;
  const bool is_full = stage.phase == StagePhase::kDone;
  const auto filled = is_full ? width : static_cast<size_t>(static_cast<double>(width) * std::clamp(share, 0.0, 1.0));
  return absl::StrCat("[", std::string(filled, '#'), std::string(width - filled, '-'), "]");
}

std::string Counts(const StageView& stage) {
  if (stage.total <= 0) return "";
  if (stage.unit == StageUnit::kBytes) return absl::StrCat(FormatBytes(stage.done), " of ", FormatBytes(stage.total));
  const std::string total = absl::StrCat(stage.total);
  const std::string done = absl::StrCat(stage.done);
  return absl::StrCat(std::string(total.size() - std::min(total.size(), done.size()), ' '), done, "/", total);
}

std::string StageLine(const StageView& stage, const std::string& memory, size_t columns) {
  const std::string label = Padded(CutToWidth(Printable(stage.name), kLabelColumns), kLabelColumns);
  if (stage.phase == StagePhase::kWaiting) return Fit({label + "waiting"}, columns);
  const std::string bar = Bar(stage, columns);
  std::vector<std::string> parts = {bar.empty() ? label + Counts(stage) : label + bar};
  if (!bar.empty()) parts.push_back(Counts(stage));
  const std::string error = stage.relative_error.has_value() ? "error " + FormatSmall(*stage.relative_error) : "";
  if (stage.phase == StagePhase::kDone) {
    parts.insert(parts.end(), {"done in " + FormatSeconds(stage.elapsed_seconds), error});
  } else {
    const bool knows_rest = stage.remaining_seconds > 0;
    parts.insert(parts.end(), {knows_rest ? FormatSeconds(stage.remaining_seconds) + " left" : "", error, memory,
                               Printable(stage.detail)});
  }
  return Fit(parts, columns);
}

std::string JobLine(const JobView& view, size_t columns) {
  std::string state = StateName(view.state);
  if (!view.state_reason.empty()) absl::StrAppend(&state, ": ", Printable(view.state_reason));
  std::vector<std::string> parts = {Padded(ShortName(view.job), kLabelColumns - 2), state};
  if (!view.device.empty()) parts.push_back("on " + Printable(view.device));
  if (view.attempt > 1) parts.push_back(absl::StrCat("attempt ", view.attempt));
  if (view.resumed_blocks > 0) parts.push_back(absl::StrCat(view.resumed_blocks, " blocks taken over"));
  if (view.original.has_value()) parts.push_back("original perplexity " + FormatNumber(view.original->perplexity(), 3));
  if (view.warnings > 0) parts.push_back(absl::StrCat(view.warnings, view.warnings == 1 ? " warning" : " warnings"));
  return Fit(parts, columns);
}

}  // namespace

std::vector<std::string> RenderLive(const JobView& view, size_t columns) {
  std::vector<std::string> memory;
  if (view.host_bytes > 0) memory.push_back(FormatBytes(view.host_bytes) + " host");
  if (view.gpu_bytes > 0) memory.push_back(FormatBytes(view.gpu_bytes) + " GPU");
  std::vector<std::string> lines = {JobLine(view, columns)};
  for (const StageView& stage : view.stages) lines.push_back(StageLine(stage, absl::StrJoin(memory, ", "), columns));
  return lines;
}

}  // namespace pivot::client
