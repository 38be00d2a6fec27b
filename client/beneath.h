// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_BENEATH_H_
#define PIVOT_CLIENT_BENEATH_H_

// Paths that a server chose, opened so that they cannot leave the folder they belong to.

#include <string>

#include "absl/status/statusor.h"

#include "client/unique_fd.h"

namespace pivot::client {

/// Where a file goes: an open folder and a plain name in it.
struct Place {
  UniqueFd folder;
  std::string name;
};

/// The place of `path` beneath `root`, whose folders are made when they are missing. Links on the way are refused, and
/// so is a path that IsSafeRelativePath refuses: kInvalidArgument.
absl::StatusOr<Place> PlaceBeneath(const std::string& root, const std::string& path);

/// The place of a path that the user chose: its folder must exist.
absl::StatusOr<Place> PlaceOf(const std::string& path);

/// Opens a plain file for reading and writing, making it when it is missing; a link or anything else is refused.
absl::StatusOr<UniqueFd> OpenToFill(const Place& place, const std::string& name);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_BENEATH_H_
