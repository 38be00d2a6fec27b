// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_MODEL_FINDER_H_
#define PIVOT_CLIENT_MODEL_FINDER_H_

// The model that an argument of the command line means: a path, or a name of the hub.

#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "client/console.h"
#include "client/temporary_folder.h"
#include "client/view/reporter.h"
#include "proto/source/hub_name.h"

namespace pivot::client {

/// What of a model the command reads.
enum class Need { kAll, kHeaders };

/// Fetches what is on the hub and not here, shown as a reporter with these flags shows it.
class ModelFinder {
 public:
  /// `console` must outlive it.
  ModelFinder(const Console& console, const OutputFlags& shown, Need need = Need::kAll)
      : console_(console), shown_(shown), need_(need) {}

  /// For a command whose answer is one object: with --json, events would only be in its way.
  static ModelFinder BesideAnswer(const Console& console, const OutputFlags& shown, Need need = Need::kAll);

  /// The folder or GGUF file on this machine. What exists as a path is that path; hf://ORG/NAME, and ORG/NAME alone,
  /// lie in the hub's cache afterwards, or, when only headers are needed and the cache has no more, in a folder that
  /// goes with this object. Everything that ModelFolder and FetchModel can say.
  absl::StatusOr<std::string> Find(const std::string& model);

  /// As Find when `server` is empty. Else a path as that server is to understand it: absolute, not looked at; a model
  /// of the hub is fetched here when the server is on this machine, and UNSUPPORTED_SOURCE when it is not.
  absl::StatusOr<std::string> PathFor(const std::string& server, const std::string& model);

 private:
  absl::StatusOr<std::string> Fetch(const HubName& name);

  const Console& console_;
  const OutputFlags shown_;
  const Need need_;
  std::unique_ptr<ScopedFolder> headers_;
};

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_MODEL_FINDER_H_
