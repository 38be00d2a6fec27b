// SPDX-License-Identifier: Apache-2.0
#include "server/probe/probe.h"

#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "proto/files/bounded_json.h"
#include "proto/files/sha256.h"
#include "proto/json.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/probe/source_state.h"

namespace pivot {
namespace {

using nlohmann::json;

constexpr size_t kShownErrorBytes = 300;
constexpr int kMaxProcesses = 4;

// Longer than the steps in which any file system counts time.
constexpr absl::Duration kSettled = absl::Seconds(2);

#ifdef PIVOT_SANITIZE  // which reserves most of the address space
constexpr int64_t kMaxDataBytes = 0;
#else
constexpr int64_t kMaxDataBytes = int64_t{2} << 30;
#endif

absl::Status UnexpectedEnd(const Captured& captured) {
  const std::string how =
      captured.end.signal != 0      ? absl::StrCat("pivot-probe was ended by signal ", captured.end.signal, " (",
                                                   strsignal(captured.end.signal), ")")
      : captured.end.exit_code != 0 ? absl::StrCat("pivot-probe ended with exit code ", captured.end.exit_code)
                                    : "pivot-probe gave no answer that makes sense";
  const std::string said = Utf8Tail(absl::StripAsciiWhitespace(captured.error_tail), kShownErrorBytes);
  return ProbeFailed(said.empty() ? how : absl::StrCat(how, ": ", said));
}

json DescribeGpus(absl::Span<const Device> devices) {
  json gpus = json::array();
  for (const Device& device : devices) {
    if (device.is_gpu()) gpus.push_back({{"name", device.name}, {"memory_bytes", device.memory_bytes}});
  }
  return gpus;
}

/// All that the probe opens for this task.
std::optional<SourceState> LookAtSources(const v1::JobSpec& spec) {
  switch (spec.task_case()) {
    case v1::JobSpec::kCompress:
      return LookAtSource(spec.compress().source().path());
    case v1::JobSpec::kConvert:
      return LookAtSource(spec.convert().source().path());
    case v1::JobSpec::kGenerate:
      return LookAtSource(spec.generate().source().path());
    default:
      return std::nullopt;  // evaluate, which may have two
  }
}

std::string KeyOf(const v1::JobSpec& spec, absl::Span<const Device> devices, const SourceState& source) {
  v1::JobSpec asked = spec;
  // What the probe does not look at.
  asked.clear_priority();
  asked.clear_run_timeout();
  asked.clear_queue_timeout();
  asked.clear_ttl();
  return Sha256Of(absl::StrCat(asked.SerializeAsString(), "|", DescribeGpus(devices).dump(), "|", source.text));
}

}  // namespace

CaptureLimits DefaultProbeLimits() {
  return {.timeout = absl::Seconds(20), .max_output_bytes = size_t{64} << 20, .max_data_bytes = kMaxDataBytes};
}

absl::StatusOr<std::optional<v1::Plan>> Probe::Examine(const v1::JobSpec& spec, absl::Span<const Device> devices) {
  const auto before = LookAtSources(spec);
  // A source that changes just now could change again without a sign of it in its times.
  const bool settled = before.has_value() && before->last_change + kSettled < options_.now();
  if (!settled) return AskForPlan(spec, devices);
  const std::string key = KeyOf(spec, devices, *before);
  if (auto known = known_.Find(key); known.has_value()) return *std::move(known);
  PIVOT_ASSIGN_OR_RETURN(std::optional<v1::Plan> plan, AskForPlan(spec, devices));
  const auto after = LookAtSources(spec);
  if (after.has_value() && after->text == before->text) known_.Keep(key, plan);
  return plan;
}

absl::StatusOr<std::optional<v1::Plan>> Probe::AskForPlan(const v1::JobSpec& spec, absl::Span<const Device> devices) {
  const json request{{"spec", ToJson(spec)}, {"gpus", DescribeGpus(devices)}};
  PIVOT_ASSIGN_OR_RETURN(const json answer, Ask({}, request.dump()));
  const auto plan = answer.find("plan");
  if (plan == answer.end()) {
    if (spec.has_compress()) return ProbeFailed("pivot-probe gave no plan");
    return std::nullopt;
  }
  v1::Plan parsed;
  if (const absl::Status status = FromJson(*plan, &parsed); !status.ok()) return ProbeFailed(status.message());
  return parsed;
}

absl::StatusOr<v1::ServerCapabilities> Probe::Capabilities() {
  PIVOT_ASSIGN_OR_RETURN(const json answer, Ask({"--capabilities"}, ""));
  v1::ServerCapabilities capabilities;
  if (const absl::Status status = FromJson(answer, &capabilities); !status.ok()) return ProbeFailed(status.message());
  if (capabilities.architectures().empty()) return ProbeFailed("pivot-probe names no architecture");
  return capabilities;
}

void Probe::Stop() {
  const std::lock_guard lock(mutex_);
  stop_ = true;
  changed_.notify_all();
}

bool Probe::Enter() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return running_ < kMaxProcesses || stop_; });
  if (stop_) return false;
  ++running_;
  return true;
}

void Probe::Leave() {
  const std::lock_guard lock(mutex_);
  --running_;
  changed_.notify_one();
}

absl::StatusOr<json> Probe::Ask(const std::vector<std::string>& arguments, const std::string& input) {
  if (!Enter()) return Draining();
  auto captured =
      RunAndCapture({.program = options_.program, .arguments = arguments, .environment = options_.environment}, input,
                    options_.limits, stop_);
  Leave();
  if (absl::IsCancelled(captured.status())) return Draining();
  if (!captured.ok()) return ProbeFailed(captured.status().message());
  if (captured->timed_out) return ProbeTimeout(options_.limits.timeout);
  if (captured->output_too_long)
    return ProbeFailed(absl::StrCat("pivot-probe wrote more than ", options_.limits.max_output_bytes, " bytes"));
  const auto answer = ParseJson(captured->output, "the answer");
  if (!answer.ok() || !answer->is_object()) return UnexpectedEnd(*captured);
  if (const auto error = answer->find("error"); error != answer->end()) return StatusFromJson(*error);
  if (captured->end.signal != 0 || captured->end.exit_code != 0) return UnexpectedEnd(*captured);
  return *answer;
}

}  // namespace pivot
