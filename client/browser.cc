// SPDX-License-Identifier: Apache-2.0
#include "client/browser.h"

#include <cstdlib>
#include <optional>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

#include "client/process.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

constexpr char kOpener[] = "xdg-open";
/// xdg-open ends at once when it hands the file to a running browser or finds none, but may be the browser itself.
constexpr absl::Duration kPatience = absl::Seconds(3);

std::optional<std::string> FindOnPath(absl::string_view program) {
  const char* path = std::getenv("PATH");
  for (const absl::string_view folder : absl::StrSplit(path == nullptr ? "" : path, ':', absl::SkipEmpty())) {
    std::string file = absl::StrCat(folder, "/", program);
    if (access(file.c_str(), X_OK) == 0) return file;
  }
  return std::nullopt;
}

}  // namespace

absl::Status ShowInBrowser(const std::string& path) {
  const std::optional<std::string> opener = FindOnPath(kOpener);
  if (!opener.has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat("no browser can be started here: there is no ", kOpener, " on PATH; open ", path, " in one"));
  }
  PIVOT_ASSIGN_OR_RETURN(const pid_t child, Spawn(*opener, {path}, {}));
  const std::optional<int> wait_status = WaitForExit(child, kPatience);
  if (!wait_status.has_value() || *wait_status == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("no browser could be started: ", kOpener, " ",
                                                    DescribeExit(*wait_status), "; open ", path, " in one"));
}

}  // namespace pivot::client
