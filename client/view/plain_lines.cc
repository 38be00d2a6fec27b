// SPDX-License-Identifier: Apache-2.0
#include "client/view/plain_lines.h"

#include "absl/strings/str_cat.h"

#include "client/jobs.h"
#include "client/view/units.h"

namespace pivot::client {
namespace {

constexpr absl::Duration kLeastDistance = absl::Seconds(2);

std::string StateLine(const v1::StateChanged& change) {
  const std::string reason = change.reason().empty() ? "" : absl::StrCat(" (", Printable(change.reason()), ")");
  return StateName(change.to()) + reason;
}

std::string AttemptEndLine(const v1::Attempt& attempt) {
  if (attempt.cause() == "DONE") return "";
  std::string line = absl::StrCat("attempt ", attempt.number(), " ended: ", Printable(attempt.cause()));
  if (attempt.exit_signal() != 0) absl::StrAppend(&line, ", signal ", attempt.exit_signal());
  return line;
}

std::string CheckpointLine(const v1::CheckpointRef& checkpoint) {
  std::string line = absl::StrCat("pivot ", checkpoint.number(), ": ", FormatBytes(checkpoint.bytes()));
  if (checkpoint.bits_per_weight() > 0) {
    absl::StrAppend(&line, ", ", FormatNumber(checkpoint.bits_per_weight(), 2), " bits per weight");
  }
  return line;
}

}  // namespace

std::string DescribeQuality(const v1::Quality& quality) {
  std::string text = "perplexity " + FormatNumber(quality.perplexity(), 3);
  if (quality.has_kl_mean()) absl::StrAppend(&text, ", KL ", FormatSmall(quality.kl_mean()));
  if (quality.has_top1_agreement()) absl::StrAppend(&text, ", top-1 agreement ", FormatShare(quality.top1_agreement()));
  return text;
}

std::string PlainLines::LineOf(const v1::JobEvent& event, const JobView& view, absl::Time now) {
  switch (event.event_case()) {
    case v1::JobEvent::kStateChanged:
      return StateLine(event.state_changed());
    case v1::JobEvent::kAttemptStarted:
      return absl::StrCat(event.attempt() > 1 ? absl::StrCat("attempt ", event.attempt(), " ") : "", "on ",
                          Printable(view.device));
    case v1::JobEvent::kStageStarted: {
      const v1::StageStarted& started = event.stage_started();
      const std::string total = started.total() > 0 ? absl::StrCat(", ", started.total(), " steps") : "";
      return absl::StrCat(Printable(started.stage()), ": begins", total);
    }
    case v1::JobEvent::kBlockDone:
      return BlockLine(event.block_done(), view, now);
    case v1::JobEvent::kStageDone:
      return absl::StrCat(Printable(event.stage_done().stage()), ": done in ",
                          FormatSeconds(event.stage_done().seconds()));
    case v1::JobEvent::kQualityMeasured:
      return absl::StrCat(Printable(event.quality_measured().subject()), ": ",
                          DescribeQuality(event.quality_measured().quality()));
    case v1::JobEvent::kWarning:
      return absl::StrCat("warning: ", Printable(event.warning().message()), " (", Printable(event.warning().reason()),
                          ")");
    case v1::JobEvent::kCheckpointPublished:
      return CheckpointLine(event.checkpoint_published().checkpoint());
    case v1::JobEvent::kAttemptEnded:
      return AttemptEndLine(event.attempt_ended().attempt());
    case v1::JobEvent::kJobDeleted:
      return "deleted";
    default:
      return "";
  }
}

std::string PlainLines::BlockLine(const v1::BlockDone& block, const JobView& view, absl::Time now) {
  const bool is_last = block.block() + 1 == block.total();
  if (detail_ == Detail::kNormal && !is_last && now - last_block_line_ < kLeastDistance) return "";
  last_block_line_ = now;
  std::string line = absl::StrCat(Printable(block.stage()), ": block ", block.block() + 1, "/", block.total(),
                                  ", error ", FormatSmall(block.relative_error()));
  if (detail_ == Detail::kAll) absl::StrAppend(&line, ", ", FormatSeconds(block.seconds()));
  if (block.resumed()) absl::StrAppend(&line, ", taken over");
  for (const StageView& stage : view.stages) {
    if (stage.name != block.stage() || stage.remaining_seconds <= 0 || is_last) continue;
    absl::StrAppend(&line, ", ", FormatSeconds(stage.remaining_seconds), " left");
  }
  if (detail_ == Detail::kAll && view.host_bytes > 0)
    absl::StrAppend(&line, ", ", FormatBytes(view.host_bytes), " memory");
  return line;
}

}  // namespace pivot::client
