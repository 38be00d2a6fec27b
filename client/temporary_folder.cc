// SPDX-License-Identifier: Apache-2.0
#include "client/temporary_folder.h"

#include <cerrno>
#include <cstdlib>

namespace pivot::client {

std::string TemporaryParent() {
  const char* named = std::getenv("TMPDIR");
  return named != nullptr && named[0] == '/' ? named : "/tmp";
}

absl::StatusOr<std::string> MakeTemporaryFolder(const std::string& parent) {
  std::string path = parent + "/pivot-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) return StatusFromErrno(errno, "cannot make a temporary folder in", parent);
  return path;
}

}  // namespace pivot::client
