// SPDX-License-Identifier: Apache-2.0
#include "client/fetch_model.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "client/process.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"
#include "proto/text/json_facts.h"

namespace pivot::client {
namespace {

using nlohmann::json;

/// As it is, whatever characters a path may have.
std::string ExactTextAt(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

int64_t BytesAt(const json& object, const char* key) { return static_cast<int64_t>(NumberAt(object, key).value_or(0)); }

/// Tells of a line, or keeps it as the answer.
void TakeLine(absl::string_view line, const FetchRequest& request, json* answer) {
  json object = json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return;
  const json& progress = ObjectAt(object, "progress");
  if (object.contains("progress")) {
    request.on_progress({.done_bytes = BytesAt(progress, "done_bytes"),
                         .total_bytes = BytesAt(progress, "total_bytes"),
                         .bytes_per_second = NumberAt(progress, "bytes_per_second").value_or(0),
                         .path = TextAt(progress, "path")});
  } else if (object.contains("note")) {
    request.on_note(TextAt(object, "note"));
  } else {
    *answer = std::move(object);
  }
}

}  // namespace

absl::StatusOr<FetchedModel> FetchModel(const std::string& program, const FetchRequest& request,
                                        const std::stop_token& stop) {
  json answer;
  json question{{"source", HubUri(request.name)}};
  if (!request.headers_folder.empty()) question["headers_folder"] = request.headers_folder;
  const absl::StatusOr<ProgramOutput> output =
      RunProgram(program, {}, question.dump(-1, ' ', false, json::error_handler_t::replace) + "\n",
                 {.timeout = absl::InfiniteDuration(), .stop = stop, .on_line = [&](absl::string_view line) {
                    TakeLine(line, request, &answer);
                  }});
  if (absl::IsNotFound(output.status())) {
    return WithReason(
        absl::NotFoundError(absl::StrCat("pivot-fetch is not at ", program, ", beside this program: install it there")),
        "FETCH_MISSING");
  }
  PIVOT_RETURN_IF_ERROR(output.status());
  if (answer.contains("error")) return StatusFromJson(answer["error"]);
  const json& fetched = ObjectAt(answer, "fetch");
  const std::string path = ExactTextAt(fetched, "path");
  if (!path.empty()) {
    return FetchedModel{
        .path = path, .commit = TextAt(fetched, "commit"), .fetched_bytes = BytesAt(fetched, "fetched_bytes")};
  }
  return WithReason(absl::InternalError(absl::StrCat("pivot-fetch, which fetches ", HubUri(request.name), ", ",
                                                     DescribeExit(output->wait_status),
                                                     " without an answer: ", output->standard_error)),
                    "FETCH_DIED");
}

}  // namespace pivot::client
