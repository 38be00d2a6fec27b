// SPDX-License-Identifier: Apache-2.0
#include "client/model_finder.h"

#include <filesystem>
#include <optional>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"

#include "client/commands/flags.h"
#include "client/fetch_model.h"
#include "client/source_paths.h"
#include "client/view/units.h"
#include "proto/source/hub_name.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

constexpr size_t kShownCommitDigits = 12;

/// The name of the hub that the argument means; nothing for a path.
absl::StatusOr<std::optional<HubName>> HubNameOf(const std::string& model) {
  if (IsHubUri(model)) {
    PIVOT_ASSIGN_OR_RETURN(HubName name, ParseHubUri(model));
    return std::optional(std::move(name));
  }
  std::error_code error;
  if (std::filesystem::exists(model, error)) return std::nullopt;
  absl::StatusOr<HubName> name = ParseBareHubName(model);
  return name.ok() ? std::optional(*std::move(name)) : std::nullopt;
}

/// Whether a server at this address sees our files: as far as an address tells.
bool IsOfThisMachine(absl::string_view server) {
  for (const absl::string_view prefix : {"unix:", "127.", "localhost:", "[::1]:"}) {
    if (absl::StartsWith(server, prefix)) return true;
  }
  return false;
}

}  // namespace

ModelFinder ModelFinder::BesideAnswer(const Console& console, const OutputFlags& shown, Need need) {
  return {console, {.quiet = shown.quiet, .verbose = shown.verbose}, need};
}

absl::StatusOr<std::string> ModelFinder::Fetch(const HubName& name) {
  FetchRequest request{.name = name};
  if (need_ == Need::kHeaders && headers_ == nullptr) {
    PIVOT_ASSIGN_OR_RETURN(std::string folder, MakeTemporaryFolder(TemporaryParent()));
    headers_ = std::make_unique<ScopedFolder>(std::move(folder));
  }
  if (headers_ != nullptr) request.headers_folder = headers_->path();
  Reporter reporter(console_, shown_);
  request.on_progress = [&reporter](const FetchProgress& progress) {
    reporter.OnTransfer({.stage = "fetch",
                         .done_bytes = progress.done_bytes,
                         .total_bytes = progress.total_bytes,
                         .bytes_per_second = progress.bytes_per_second,
                         .path = progress.path});
  };
  request.on_note = [&reporter](const std::string& sentence) { reporter.Note(sentence); };
  const absl::Time begin = absl::Now();
  PIVOT_ASSIGN_OR_RETURN(const FetchedModel model,
                         FetchModel(console_.program_folder + "/pivot-fetch", request, console_.interrupted));
  const std::string at = absl::StrCat(HubUri(name), " at commit ", model.commit.substr(0, kShownCommitDigits));
  if (model.fetched_bytes > 0) {
    reporter.Note(absl::StrCat(at, ": ", FormatBytes(model.fetched_bytes), " fetched in ",
                               FormatSeconds(absl::ToDoubleSeconds(absl::Now() - begin))));
  } else {
    reporter.NoteDetail(absl::StrCat(at, ": all of it was in the cache, ", model.path));
  }
  return model.path;
}

absl::StatusOr<std::string> ModelFinder::Find(const std::string& model) {
  PIVOT_ASSIGN_OR_RETURN(const std::optional<HubName> name, HubNameOf(model));
  if (!name.has_value()) return ModelFolder(model);
  absl::StatusOr<std::string> path = Fetch(*name);
  if (path.ok() || IsHubUri(model) || absl::IsCancelled(path.status())) return path;
  // The user may have meant a folder.
  return WithReason(
      absl::Status(path.status().code(), absl::StrCat("there is no folder ", model,
                                                      " here, and as a model of the hub: ", path.status().message())),
      ReasonOf(path.status()), FieldOf(path.status()));
}

absl::StatusOr<std::string> ModelFinder::PathFor(const std::string& server, const std::string& model) {
  if (server.empty()) return Find(model);
  PIVOT_ASSIGN_OR_RETURN(const std::optional<HubName> name, HubNameOf(model));
  if (!name.has_value()) return AbsoluteAsItIs(model);
  if (IsOfThisMachine(server)) return Find(model);
  return WithReason(
      absl::InvalidArgumentError(absl::StrCat(
          "the server ", server, " is not on this machine and fetches nothing from the hub: leave out --server for ",
          HubUri(*name), ", or put the model into a folder that the server may read and give that folder")),
      "UNSUPPORTED_SOURCE");
}

}  // namespace pivot::client
