// SPDX-License-Identifier: Apache-2.0
#include "client/probe.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "client/process.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::client {

using nlohmann::json;

absl::StatusOr<json> AskProbe(const std::string& program, const json& question, const std::string& answer_key,
                              const std::stop_token& stop) {
  const std::string text = question.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  absl::StatusOr<ProgramOutput> output = RunProgram(program, {}, text, {.stop = stop});
  if (absl::IsNotFound(output.status())) {
    return WithReason(absl::NotFoundError(absl::StrCat("pivot-probe is not at ", program,
                                                       ", beside this program: install ", "it there")),
                      "PROBE_MISSING");
  }
  PIVOT_RETURN_IF_ERROR(output.status());
  json reply = json::parse(output->standard_output, nullptr, /*allow_exceptions=*/false);
  if (reply.is_object() && reply.contains("error")) return StatusFromJson(reply["error"]);
  if (reply.is_object() && reply.contains(answer_key)) return std::move(reply[answer_key]);
  std::string words = output->standard_error.empty() ? "" : absl::StrCat(": ", output->standard_error);
  while (!words.empty() && words.back() == '\n') words.pop_back();
  return WithReason(
      absl::InvalidArgumentError(absl::StrCat("pivot-probe, which reads the files for safety in a process of ",
                                              "its own, ", DescribeExit(output->wait_status), " without an answer",
                                              words, ": the files are damaged, or made to do harm")),
      "PROBE_DIED");
}

}  // namespace pivot::client
