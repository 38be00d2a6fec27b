// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_FETCH_FILE_H_
#define PIVOT_CLIENT_FETCH_FILE_H_

// One file of a checkpoint, fetched piece by piece.

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "client/backoff.h"
#include "client/beneath.h"
#include "client/connection.h"
#include "proto/files/manifest.h"

namespace pivot::client {

struct FetchOptions {
  /// Bytes of the file that lie on disk and are verified. Called for every piece.
  std::function<void(int64_t verified_bytes)> on_progress;
  absl::Duration silence_limit = absl::Seconds(45);
  BackoffOptions backoff = {.give_up_after = absl::Minutes(2)};
  std::stop_token stop;
};

/// Writes NAME.part in the place, goes on where an earlier one stopped, syncs it and renames it to NAME. Only bytes
/// whose piece has the manifest's hash reach the disk: a bad piece is read once more, then the answer is kDataLoss. A
/// lost connection is made anew for as long as the backoff says; Interrupted() when stopped. NAME.part stays for the
/// next try.
absl::Status FetchFile(const Connection& connection, const std::string& checkpoint, const ManifestFile& file,
                       const Place& place, const FetchOptions& options);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_FETCH_FILE_H_
