// SPDX-License-Identifier: Apache-2.0
#include "client/view/job_text.h"

#include <map>

#include "absl/strings/str_cat.h"

#include "client/jobs.h"
#include "client/view/plain_lines.h"
#include "client/view/table.h"
#include "client/view/units.h"

namespace pivot::client {
namespace {

std::string TaskName(const v1::JobSpec& spec) {
  switch (spec.task_case()) {
    case v1::JobSpec::kCompress:
      return absl::StrCat("compress ", FormatNumber(spec.compress().bits() == 0 ? 4 : spec.compress().bits(), 0),
                          " bit");
    case v1::JobSpec::kEvaluate:
      return "evaluate";
    case v1::JobSpec::kConvert:
      return "convert";
    case v1::JobSpec::kGenerate:
      return "generate";
    default:
      return "-";
  }
}

std::string SourceOf(const v1::JobSpec& spec) {
  switch (spec.task_case()) {
    case v1::JobSpec::kCompress:
      return Printable(spec.compress().source().path());
    case v1::JobSpec::kEvaluate:
      return Printable(spec.evaluate().source().path());
    case v1::JobSpec::kConvert:
      return Printable(spec.convert().source().path());
    case v1::JobSpec::kGenerate:
      return Printable(spec.generate().source().path());
    default:
      return "-";
  }
}

std::string ProgressOf(const v1::Job& job) {
  if (!job.has_progress() || IsTerminal(job.state())) return "";
  const v1::Progress& progress = job.progress();
  return absl::StrCat(Printable(progress.stage()), " ", progress.done(), "/", progress.total());
}

absl::Time TimeOf(const google::protobuf::Timestamp& stamp) {
  return absl::FromUnixSeconds(stamp.seconds()) + absl::Nanoseconds(stamp.nanos());
}

std::string Clock(const google::protobuf::Timestamp& stamp) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", TimeOf(stamp), absl::UTCTimeZone());
}

void AddLabels(const v1::Job& job, Table* table) {
  const std::map<std::string, std::string> sorted(job.labels().begin(), job.labels().end());
  for (const auto& [key, value] : sorted) {
    table->AddRow({absl::StrCat("label ", Printable(key)), Printable(value)});
  }
}

void AddAttempts(const v1::Job& job, Table* table) {
  for (const v1::Attempt& attempt : job.attempts()) {
    std::string text = absl::StrCat(Printable(attempt.device()),
                                    attempt.cause().empty() ? ", running" : ", ended: ", Printable(attempt.cause()));
    if (attempt.resumed_blocks() > 0) absl::StrAppend(&text, ", ", attempt.resumed_blocks(), " blocks taken over");
    if (attempt.offloads()) absl::StrAppend(&text, ", as little on the GPU as possible");
    if (attempt.peak_host_bytes() > 0) absl::StrAppend(&text, ", ", FormatBytes(attempt.peak_host_bytes()), " memory");
    table->AddRow({absl::StrCat("attempt ", attempt.number()), text});
  }
}

void AddCheckpoints(const v1::Job& job, Table* table) {
  for (const v1::CheckpointRef& checkpoint : job.checkpoints()) {
    std::string text = absl::StrCat(FormatBytes(checkpoint.bytes()), ", ",
                                    FormatNumber(checkpoint.bits_per_weight(), 2), " bits per weight");
    if (checkpoint.has_quality()) absl::StrAppend(&text, ", ", DescribeQuality(checkpoint.quality()));
    table->AddRow({absl::StrCat("pivot ", checkpoint.number()), text});
  }
}

}  // namespace

std::string RenderJobs(const std::vector<v1::Job>& jobs, absl::Time now) {
  Table table({{"job"}, {"state"}, {"task"}, {"progress"}, {"age", Align::kRight}, {"source"}});
  for (const v1::Job& job : jobs) {
    const double age_seconds = absl::ToDoubleSeconds(absl::Floor(now - TimeOf(job.create_time()), absl::Seconds(1)));
    table.AddRow({ShortName(job.name()), StateName(job.state()), TaskName(job.spec()), ProgressOf(job),
                  FormatSeconds(age_seconds), SourceOf(job.spec())});
  }
  return table.Render();
}

std::string RenderJob(const v1::Job& job) {
  Table table({{""}, {""}});
  table.AddRow({"name", job.name()});
  table.AddRow({"state", absl::StrCat(StateName(job.state()), job.state_reason().empty() ? "" : ": ",
                                      Printable(job.state_reason()))});
  if (job.has_error()) table.AddRow({"error", Printable(job.error().message())});
  table.AddRow({"task", TaskName(job.spec())});
  table.AddRow({"source", SourceOf(job.spec())});
  if (const std::string progress = ProgressOf(job); !progress.empty()) table.AddRow({"progress", progress});
  if (job.priority() > 0) table.AddRow({"priority", absl::StrCat(job.priority())});
  AddLabels(job, &table);
  if (!job.creator().empty()) table.AddRow({"created by", Printable(job.creator())});
  table.AddRow({"created", Clock(job.create_time())});
  if (job.has_start_time()) table.AddRow({"started", Clock(job.start_time())});
  if (job.has_end_time()) table.AddRow({"ended", Clock(job.end_time())});
  if (job.has_expire_time()) table.AddRow({"kept until", Clock(job.expire_time())});
  AddAttempts(job, &table);
  AddCheckpoints(job, &table);
  if (job.result().has_quality()) table.AddRow({"result", DescribeQuality(job.result().quality())});
  if (job.result().has_generation()) table.AddRow({"result", Printable(job.result().generation().text())});
  return table.Render();
}

}  // namespace pivot::client
