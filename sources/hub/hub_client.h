// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SOURCES_HUB_HUB_CLIENT_H_
#define PIVOT_SOURCES_HUB_HUB_CLIENT_H_

// The hub's small answers.

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sources/http/retry.h"
#include "sources/http/transfer.h"
#include "sources/hub/hub_listing.h"
#include "sources/hub/hub_settings.h"

#include "proto/source/hub_name.h"

namespace pivot::hub {

/// What work tells while it goes on. Functions are called from any thread, one at a time.
struct Hooks {
  /// A sentence for a person.
  std::function<void(const std::string& sentence)> note = [](const std::string&) {};
  std::function<bool()> is_stopped = [] { return false; };
};

class HubClient {
 public:
  /// The settings must outlive it.
  HubClient(const HubSettings& settings, Hooks hooks) : settings_(settings), hooks_(std::move(hooks)) {}

  /// Waits and tries again where that can help. HUB_UNREACHABLE, HUB_ACCESS_DENIED, SOURCE_NOT_FOUND,
  /// HUB_ANSWER_INVALID.
  absl::StatusOr<HubListing> List(const HubName& name);

  /// Hash and size of a file that the listing did not tell.
  absl::StatusOr<CachedFile> Describe(const HubName& name, const std::string& commit, const std::string& path);

  /// The first `bytes` of a file, which has at least as many.
  absl::StatusOr<std::string> ReadBeginning(const HubName& name, const std::string& commit, const std::string& path,
                                            int64_t bytes);

  /// Where a file is to be had.
  std::string FileUrl(const HubName& name, const std::string& commit, const std::string& path) const;

  const HubSettings& settings() const { return settings_; }
  const Hooks& hooks() const { return hooks_; }
  http::Pace& pace() { return pace_; }

 private:
  struct Reply {
    http::Head head;
    std::string body;
  };
  struct Question {
    std::string url;
    http::Method method = http::Method::kGet;
    /// Of the file; 0: all of a small answer.
    int64_t first_bytes = 0;
  };
  /// Follows redirects, without the token when they lead to another host; a HEAD's only on the same host.
  absl::StatusOr<Reply> Call(Question question);
  absl::StatusOr<Reply> CallOnce(const Question& question);

  const HubSettings& settings_;
  const Hooks hooks_;
  http::Pace pace_;
};

/// What a refusal of the hub means, and what to do: an account, a licence, another name.
absl::Status RefusalOf(const http::Head& head, const HubName& name, const HubSettings& settings);

/// Sleeps until then; false when stopped before.
bool SleepUntil(absl::Time time, const Hooks& hooks);

/// Decides on another try after a reply that may pass (429, 503...): waits, or kUnavailable.
absl::Status WaitAfter(const http::Head& head, const std::string& host, http::Retry* retry, http::Pace* pace,
                       const Hooks& hooks);

}  // namespace pivot::hub

#endif  // PIVOT_SOURCES_HUB_HUB_CLIENT_H_
