// SPDX-License-Identifier: Apache-2.0
// pivot-fetch: brings a model of the Hugging Face Hub into the cache, and ends. A process of its own, so that neither
// what a server far away sends nor the libraries that speak to it are in those that asked.
//
// Standard input: {"source": "hf://ORG/NAME"}, and "headers_folder" for a folder that gets what headers tell when the
// cache lacks tensors. Standard output, a JSON object a line: any number of
//   {"progress": {"done_bytes", "total_bytes", "bytes_per_second", "path"}} and {"note": "a sentence"},
// then one of
//   {"fetch": {"path", "commit", "fetched_bytes"}} and {"error": {"code", "reason", "field", "message"}}.
// Ended at any time, by any signal, it leaves what the next one goes on from. It ends by itself when nobody reads.

#include <iostream>
#include <iterator>
#include <string>

#include "nlohmann/json.hpp"
#include "sources/http/transfer.h"
#include "sources/hub/fetch_model.h"
#include "sources/hub/hub_settings.h"

#include "proto/source/hub_name.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::hub {
namespace {

using nlohmann::json;

void Print(const json& object) {
  std::cout << object.dump(-1, ' ', false, json::error_handler_t::replace) << "\n" << std::flush;
}

void PrintProgress(const FetchProgress& progress) {
  Print({{"progress",
          {{"done_bytes", progress.done_bytes},
           {"total_bytes", progress.total_bytes},
           {"bytes_per_second", progress.bytes_per_second},
           {"path", progress.path}}}});
}

absl::StatusOr<json> Answer(const std::string& question) {
  const json object = json::parse(question, nullptr, /*allow_exceptions=*/false);
  const bool is_question = object.is_object() && object.contains("source") && object["source"].is_string();
  if (!is_question) return absl::InvalidArgumentError("the question must be {\"source\": \"hf://ORG/NAME\"}");
  ModelRequest request;
  PIVOT_ASSIGN_OR_RETURN(request.name, ParseHubUri(object["source"].get<std::string>()));
  const auto folder = object.find("headers_folder");
  if (folder != object.end() && folder->is_string()) request.headers_folder = folder->get<std::string>();
  PIVOT_ASSIGN_OR_RETURN(const HubSettings settings, SettingsFromEnvironment());
  FetchHooks hooks{.on_progress = PrintProgress};
  hooks.hooks.note = [](const std::string& sentence) { Print({{"note", sentence}}); };
  PIVOT_ASSIGN_OR_RETURN(const FetchedModel model, FetchModel(request, settings, hooks));
  return json{{"path", model.path}, {"commit", model.commit}, {"fetched_bytes", model.fetched_bytes}};
}

int Main() {
  http::StartHttp();
  const std::string question{std::istreambuf_iterator<char>(std::cin), {}};
  const absl::StatusOr<json> answer = Answer(question);
  Print(answer.ok() ? json{{"fetch", *answer}} : json{{"error", StatusToJson(answer.status())}});
  return answer.ok() ? 0 : 1;
}

}  // namespace
}  // namespace pivot::hub

int main() { return pivot::hub::Main(); }
