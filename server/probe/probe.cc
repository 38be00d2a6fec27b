// SPDX-License-Identifier: Apache-2.0
#include "server/probe/probe.h"

#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "proto/files/bounded_json.h"
#include "proto/json.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/errors.h"

namespace pivot {
namespace {

using nlohmann::json;

constexpr size_t kShownErrorBytes = 300;

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

}  // namespace

CaptureLimits DefaultProbeLimits() {
  return {.timeout = absl::Seconds(20), .max_output_bytes = size_t{64} << 20, .max_data_bytes = kMaxDataBytes};
}

absl::StatusOr<std::optional<v1::Plan>> Probe::Examine(const v1::JobSpec& spec, absl::Span<const Device> devices) {
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

absl::StatusOr<json> Probe::Ask(const std::vector<std::string>& arguments, const std::string& input) {
  auto captured =
      RunAndCapture({.program = options_.program, .arguments = arguments, .environment = options_.environment}, input,
                    options_.limits, stop_);
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
