// SPDX-License-Identifier: Apache-2.0
#include "client/view/reporter.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"

#include "client/view/live_lines.h"
#include "client/view/units.h"
#include "proto/json.h"

namespace pivot::client {
namespace {

constexpr absl::Duration kLiveDistance = absl::Milliseconds(100);
constexpr absl::Duration kPlainDistance = absl::Seconds(2);

}  // namespace

nlohmann::json EventJson(const v1::JobEvent& event) {
  nlohmann::json object = ToJson(event);
  const auto* field = v1::JobEvent::descriptor()->FindFieldByNumber(event.event_case());
  object["event"] = field == nullptr ? "unknown" : field->name();
  return object;
}

Reporter::Reporter(const Console& console, const OutputFlags& flags)
    : Reporter(console, flags,
               flags.json              ? Mode::kJson
               : flags.quiet           ? Mode::kQuiet
               : console.columns() > 0 ? Mode::kLive
                                       : Mode::kPlain) {}

Reporter Reporter::WarningsOnly(const Console& console) { return {console, {.quiet = true}, Mode::kWarnings}; }

Reporter::Reporter(const Console& console, const OutputFlags& flags, Mode mode)
    : console_(console),
      flags_(flags),
      mode_(mode),
      screen_(console.err),
      plain_(flags.verbose ? Detail::kAll : Detail::kNormal) {}

void Reporter::Begin(const v1::Job& job) {
  view_ = ViewOf(job);
  if (mode_ == Mode::kLive) Redraw();
}

void Reporter::OnEvent(const v1::JobEvent& event) {
  Apply(event, &view_);
  if (mode_ == Mode::kJson) PrintJson(EventJson(event), console_.out);
  if (mode_ == Mode::kJson || mode_ == Mode::kQuiet) return;
  const bool stays = event.has_warning() || flags_.verbose;
  if (mode_ == Mode::kWarnings && !stays) return;
  if (mode_ == Mode::kPlain || stays) {
    const std::string line = plain_.LineOf(event, view_, absl::Now());
    if (!line.empty()) Print(line);
  }
  if (mode_ == Mode::kLive) Redraw();
}

void Reporter::OnTransfer(const TransferProgress& progress) {
  const absl::Time now = absl::Now();
  const bool is_last = progress.done_bytes == progress.total_bytes;
  const absl::Duration distance = mode_ == Mode::kPlain ? kPlainDistance : kLiveDistance;
  if (!is_last && now - last_transfer_ < distance) return;
  last_transfer_ = now;
  const std::string rate = progress.bytes_per_second > 0
                               ? absl::StrCat(FormatBytes(static_cast<int64_t>(progress.bytes_per_second)), "/s")
                               : "";
  if (mode_ == Mode::kJson) {
    PrintJson({{"event", std::string(progress.stage)},
               {"done_bytes", progress.done_bytes},
               {"total_bytes", progress.total_bytes},
               {"bytes_per_second", progress.bytes_per_second},
               {"path", std::string(progress.path)}},
              console_.out);
  } else if (mode_ == Mode::kPlain) {
    Print(absl::StrCat(progress.stage, ": ", FormatBytes(progress.done_bytes), " of ",
                       FormatBytes(progress.total_bytes), rate.empty() ? "" : ", ", rate));
  } else if (mode_ == Mode::kLive) {
    StageView& stage = StageOf(std::string(progress.stage), &view_);
    stage.unit = StageUnit::kBytes;
    stage.phase = StagePhase::kRunning;
    stage.done = progress.done_bytes;
    stage.total = progress.total_bytes;
    stage.detail = absl::StrCat(Printable(progress.path), rate.empty() ? "" : ", ", rate);
    Redraw();
  }
}

void Reporter::Note(absl::string_view sentence) {
  if (!flags_.quiet) Print(sentence);
}

void Reporter::NoteDetail(absl::string_view sentence) {
  if (flags_.verbose && !flags_.quiet) Print(sentence);
}

void Reporter::Redraw() {
  const size_t columns = std::max<size_t>(console_.columns(), 2);
  // The last column stays free: some terminals wrap as soon as it is filled.
  screen_.Draw(RenderLive(view_, columns - 1), columns);
}

void Reporter::Print(absl::string_view line) {
  const std::string text = absl::StrCat(line, "\n");
  if (mode_ == Mode::kLive) {
    screen_.PrintAbove(text, std::max<size_t>(console_.columns(), 2));
  } else {
    *console_.err << text << std::flush;
  }
}

}  // namespace pivot::client
