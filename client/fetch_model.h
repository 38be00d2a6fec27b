// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_FETCH_MODEL_H_
#define PIVOT_CLIENT_FETCH_MODEL_H_

// Models of the Hugging Face Hub, fetched by pivot-fetch.

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"

#include "proto/source/hub_name.h"

namespace pivot::client {

struct FetchProgress {
  int64_t done_bytes = 0;
  int64_t total_bytes = 0;
  double bytes_per_second = 0;
  std::string path;
};

struct FetchRequest {
  HubName name;
  /// Empty: all of the model. Else an empty folder, for what headers tell when the cache lacks the rest.
  std::string headers_folder;
  std::function<void(const FetchProgress& progress)> on_progress;
  /// A sentence for a person.
  std::function<void(const std::string& sentence)> on_note;
};

struct FetchedModel {
  /// The folder, or the GGUF file, in the hub's cache; or the folder of headers.
  std::string path;
  std::string commit;
  int64_t fetched_bytes = 0;
};

/// Asks `program`, which is pivot-fetch. Its own error, or Interrupted(); what has arrived stays for the next try.
/// kNotFound FETCH_MISSING when there is no such program, kInternal FETCH_DIED.
absl::StatusOr<FetchedModel> FetchModel(const std::string& program, const FetchRequest& request,
                                        const std::stop_token& stop);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_FETCH_MODEL_H_
