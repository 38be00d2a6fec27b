// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/hub_client.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "sources/http/transfer_loop.h"
#include "sources/http/url.h"
#include "sources/hub/blob_hash.h"

#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::hub {
namespace {

constexpr size_t kMaxReplyBytes = size_t{64} << 20;
constexpr int kMaxRedirects = 5;
/// Connections that fail one after the other before the hub counts as out of reach.
constexpr int kMaxFailures = 3;
constexpr absl::Duration kTick = absl::Milliseconds(100);

constexpr int kUnauthorized = 401;
constexpr int kForbidden = 403;
constexpr int kNotFound = 404;

bool IsRedirect(const http::Head& head) {
  return head.status >= 300 && head.status < 400 && !head.Field("location").empty();
}

/// An etag without its quotes and without W/.
std::string PlainEtag(const std::string& field) {
  absl::string_view etag = field;
  absl::ConsumePrefix(&etag, "W/");
  absl::ConsumePrefix(&etag, "\"");
  absl::ConsumeSuffix(&etag, "\"");
  return std::string(etag);
}

absl::Status Denied(absl::string_view message) {
  return WithReason(absl::PermissionDeniedError(message), "HUB_ACCESS_DENIED");
}

absl::Status NotFound(absl::string_view message) {
  return WithReason(absl::NotFoundError(message), "SOURCE_NOT_FOUND");
}

absl::Status Nonsense(absl::string_view message) {
  return WithReason(absl::FailedPreconditionError(message), "HUB_ANSWER_INVALID");
}

/// Of an answer that goes on when enough has come.
absl::Status TooLong() {
  return WithReason(absl::OutOfRangeError("the hub's answer has no end"), "HUB_ANSWER_INVALID");
}

std::string PageOf(const HubName& name, const HubSettings& settings) {
  return absl::StrCat(settings.endpoint, "/", name.repo);
}

}  // namespace

bool SleepUntil(absl::Time time, const Hooks& hooks) {
  while (absl::Now() < time) {
    if (hooks.is_stopped()) return false;
    absl::SleepFor(std::min(time - absl::Now(), kTick));
  }
  return !hooks.is_stopped();
}

absl::Status WaitAfter(const http::Head& head, const std::string& host, http::Retry* retry, http::Pace* pace,
                       const Hooks& hooks) {
  const absl::Duration asked = http::AskedDelay(head);
  if (asked > retry->options().longest_asked || retry->IsSpent()) {
    return WithReason(absl::UnavailableError(absl::StrCat(
                          host, " answers with status ", head.status,
                          asked > absl::ZeroDuration() ? absl::StrCat(" and asks to wait ", absl::FormatDuration(asked))
                                                       : std::string(),
                          ": try again later; what has arrived is kept")),
                      "HUB_UNREACHABLE");
  }
  const absl::Duration delay = std::max(retry->Next(), asked);
  pace->WaitUntil(absl::Now() + delay);
  if (asked > absl::ZeroDuration()) {
    hooks.note(
        absl::StrCat(host, " answers with status ", head.status, " and asks to wait ", absl::FormatDuration(asked)));
  }
  return absl::OkStatus();
}

absl::Status RefusalOf(const http::Head& head, const HubName& name, const HubSettings& settings) {
  const std::string code = head.Field("x-error-code");
  const std::string uri = HubUri(name);
  const bool has_token = !settings.token.empty();
  if (code == "GatedRepo") {
    return Denied(absl::StrCat(uri, " is gated: accept its conditions at ", PageOf(name, settings),
                               has_token ? absl::StrCat(" with the account of the token from ", settings.token_source)
                                         : std::string(", then give a token of that account in HF_TOKEN")));
  }
  if (code == "RevisionNotFound") return NotFound(absl::StrCat(uri, ": the model has no revision ", name.revision));
  if (code == "EntryNotFound") return NotFound(absl::StrCat(uri, " lacks a file that its list of files names"));
  if (head.status == kUnauthorized && has_token && code != "RepoNotFound") {
    return Denied(absl::StrCat("the hub does not accept the token from ", settings.token_source, ": make a new one at ",
                               settings.endpoint, "/settings/tokens"));
  }
  if (head.status == kForbidden) {
    return Denied(absl::StrCat("the hub refuses ", uri,
                               has_token ? absl::StrCat(" to the account of the token from ", settings.token_source)
                                         : std::string(" without a token: give one in HF_TOKEN"),
                               "; see ", PageOf(name, settings)));
  }
  if (head.status == kUnauthorized || head.status == kNotFound) {
    return NotFound(absl::StrCat(
        "there is no model ", uri, " at ", settings.endpoint, ", or it is private: ",
        has_token ? absl::StrCat("check the name and the account of the token from ", settings.token_source)
                  : std::string("check the name, or give a token in HF_TOKEN")));
  }
  return WithReason(
      absl::FailedPreconditionError(absl::StrCat("the hub answers with status ", head.status, " when asked for ", uri)),
      "HUB_ANSWER_INVALID");
}

std::string HubClient::FileUrl(const HubName& name, const std::string& commit, const std::string& path) const {
  return absl::StrCat(settings_.endpoint, "/", name.repo, "/resolve/", commit, "/", http::Escape(path, "/"));
}

absl::StatusOr<HubClient::Reply> HubClient::CallOnce(const Question& question) {
  if (!SleepUntil(pace_.next(), hooks_)) return absl::CancelledError("stopped");
  Reply reply;
  http::Request request{.url = question.url, .method = question.method};
  if (http::HaveSameOrigin(question.url, settings_.endpoint)) request.token = settings_.token;
  if (question.first_bytes > 0) request.range = http::Range{0, question.first_bytes};
  const size_t most = question.first_bytes > 0 ? static_cast<size_t>(question.first_bytes) : kMaxReplyBytes;
  http::TransferLoop loop;
  loop.Start(std::make_unique<http::Transfer>(std::move(request), settings_.http,
                                              [&reply, most](const http::Head&, absl::string_view bytes) {
                                                const size_t left = most - reply.body.size();
                                                reply.body.append(bytes.data(), std::min(bytes.size(), left));
                                                return bytes.size() <= left ? absl::OkStatus() : TooLong();
                                              }));
  while (true) {
    if (hooks_.is_stopped()) return absl::CancelledError("stopped");
    const auto ended = loop.Run(kTick);
    if (ended.empty()) continue;
    // A server that knows no ranges sends more than is wanted.
    const bool is_enough = question.first_bytes > 0 && absl::IsOutOfRange(ended[0].outcome);
    if (!is_enough) PIVOT_RETURN_IF_ERROR(ended[0].outcome);
    reply.head = ended[0].transfer->head();
    return reply;
  }
}

absl::StatusOr<HubClient::Reply> HubClient::Call(Question question) {
  http::Retry retry(settings_.retry);
  int failures = 0;
  int redirects = 0;
  while (true) {
    absl::StatusOr<Reply> reply = CallOnce(question);
    if (absl::IsUnavailable(reply.status()) && ++failures < kMaxFailures) {
      pace_.WaitUntil(absl::Now() + retry.Next());
      continue;
    }
    if (!reply.ok()) return reply;
    if (http::IsPassing(reply->head.status)) {
      PIVOT_RETURN_IF_ERROR(WaitAfter(reply->head, http::HostOf(question.url), &retry, &pace_, hooks_));
      continue;
    }
    if (!IsRedirect(reply->head)) return reply;
    PIVOT_ASSIGN_OR_RETURN(std::string target, http::FollowLocation(question.url, reply->head.Field("location")));
    // The hub's own fields are in the redirect, not in the answer of the host that has the bytes.
    const bool is_head = question.method == http::Method::kHead;
    if (is_head && !http::HaveSameOrigin(target, settings_.endpoint)) return reply;
    if (++redirects > kMaxRedirects) {
      return Nonsense(absl::StrCat(http::HostOf(question.url), " redirects in a circle"));
    }
    question.url = std::move(target);
  }
}

absl::StatusOr<HubListing> HubClient::List(const HubName& name) {
  const std::string url = absl::StrCat(settings_.endpoint, "/api/models/", name.repo, "/revision/",
                                       http::Escape(name.revision), "?blobs=true");
  PIVOT_ASSIGN_OR_RETURN(const Reply reply, Call({.url = url}));
  if (reply.head.status != 200) return RefusalOf(reply.head, name, settings_);
  PIVOT_ASSIGN_OR_RETURN(HubListing listing, ParseListing(reply.body));
  if (IsCommit(name.revision) && listing.commit != name.revision) {
    return Nonsense(
        absl::StrCat("asked for commit ", name.revision, " of ", name.repo, ", the hub answers with ", listing.commit));
  }
  return listing;
}

absl::StatusOr<CachedFile> HubClient::Describe(const HubName& name, const std::string& commit,
                                               const std::string& path) {
  PIVOT_ASSIGN_OR_RETURN(const Reply reply, Call({.url = FileUrl(name, commit, path), .method = http::Method::kHead}));
  const http::Head& head = reply.head;
  if (head.status >= 400) return RefusalOf(head, name, settings_);
  CachedFile file{.path = path};
  const bool is_linked = !head.Field("x-linked-etag").empty();
  file.etag = PlainEtag(head.Field(is_linked ? "x-linked-etag" : "etag"));
  std::string size = head.Field("x-linked-size");
  // The length of a redirect is that of its own few words.
  if (size.empty() && head.status < 300) size = head.Field("content-length");
  const bool has_size = absl::SimpleAtoi(size, &file.bytes) && file.bytes >= 0;
  if (IsBlobName(file.etag) && has_size) return file;
  return WithReason(absl::FailedPreconditionError(absl::StrCat(
                        "the hub tells neither in its list nor at the file what ", path, " of ", name.repo,
                        " must hash to, so that it could not be checked; if HF_ENDPOINT is set, check what it names")),
                    "HUB_ANSWER_INVALID");
}

absl::StatusOr<std::string> HubClient::ReadBeginning(const HubName& name, const std::string& commit,
                                                     const std::string& path, int64_t bytes) {
  PIVOT_ASSIGN_OR_RETURN(Reply reply, Call({.url = FileUrl(name, commit, path), .first_bytes = bytes}));
  if (reply.head.status >= 400) return RefusalOf(reply.head, name, settings_);
  if (static_cast<int64_t>(reply.body.size()) == bytes) return std::move(reply.body);
  return Nonsense(absl::StrCat("asked for ", bytes, " bytes of ", path, " of ", name.repo, ", the server sends ",
                               reply.body.size()));
}

}  // namespace pivot::hub
