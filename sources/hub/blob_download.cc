// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/blob_download.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "sources/http/url.h"

#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::hub {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(100);
constexpr int kMaxRedirects = 5;

constexpr int kWhole = 200;
constexpr int kPartial = 206;
constexpr int kRangeNotThere = 416;

/// What ends a transfer whose server answers with the whole file when a part was asked for.
absl::Status NoRanges() { return absl::AbortedError("no ranges"); }

/// A and B of "bytes A-E/B".
struct ContentRange {
  int64_t begin = 0;
  int64_t total = 0;
};

/// Nothing when the field is not of this form.
std::optional<ContentRange> ParseContentRange(absl::string_view field) {
  if (!absl::ConsumePrefix(&field, "bytes ")) return std::nullopt;
  const size_t dash = field.find('-');
  const size_t slash = field.find('/');
  if (dash == absl::string_view::npos || slash == absl::string_view::npos || dash > slash) return std::nullopt;
  ContentRange range;
  const bool is_understood =
      absl::SimpleAtoi(field.substr(0, dash), &range.begin) && absl::SimpleAtoi(field.substr(slash + 1), &range.total);
  return is_understood ? std::optional(range) : std::nullopt;
}

}  // namespace

BlobDownload::BlobDownload(HubClient* client, RemoteFile remote, const std::string& path, OnBytes on_bytes)
    : client_(*client),
      remote_(std::move(remote)),
      bytes_(remote_.file.bytes),
      on_bytes_(std::move(on_bytes)),
      hub_address_(client->FileUrl(remote_.name, remote_.commit, remote_.file.path)),
      file_(path, remote_.file.etag, bytes_),
      retry_(client->settings().retry) {}

absl::Status BlobDownload::Run(const DownloadOptions& options) {
  PIVOT_RETURN_IF_ERROR(file_.Open(client_.hooks().is_stopped));
  Tell(Origin::kDisk);
  PIVOT_RETURN_IF_ERROR(FetchAll(options));
  PIVOT_ASSIGN_OR_RETURN(std::string fault, file_.FindFault());
  if (!fault.empty() && file_.has_old_bytes()) {
    // Bytes of an earlier process, which a crash of the machine may have left as zeros, are not the server's fault.
    client_.hooks().note(absl::StrCat(remote_.file.path, ": what an earlier try left does not fit: fetching it anew"));
    PIVOT_RETURN_IF_ERROR(file_.StartOver());
    Tell(Origin::kDisk);
    PIVOT_RETURN_IF_ERROR(FetchAll(options));
    PIVOT_ASSIGN_OR_RETURN(fault, file_.FindFault());
  }
  if (fault.empty()) return absl::OkStatus();
  file_.Remove();
  return Mismatch(fault);
}

absl::Status BlobDownload::FetchAll(const DownloadOptions& options) {
  loop_ = std::make_unique<http::TransferLoop>();
  pieces_.clear();
  uses_one_stream_ = false;
  while (file_.written() < bytes_) {
    if (client_.hooks().is_stopped()) return absl::CancelledError("stopped");
    if (has_no_ranges_ && !uses_one_stream_) UseOneStream();
    StartPieces(options);
    if (loop_->num_running() == 0) absl::SleepFor(kTick);
    for (const http::TransferLoop::Ended& ended : loop_->Run(kTick)) {
      PIVOT_RETURN_IF_ERROR(OnEnded(ended));
    }
    PIVOT_RETURN_IF_ERROR(WriteWaiting());
    Tell(Origin::kNetwork);
  }
  loop_.reset();
  return absl::OkStatus();
}

void BlobDownload::StartPieces(const DownloadOptions& options) {
  int64_t next = pieces_.empty() ? file_.written() : pieces_.back()->end;
  while (next < bytes_ && pieces_.size() < static_cast<size_t>(options.connections)) {
    const int64_t end = std::min(next + options.piece_bytes, bytes_);
    pieces_.push_back(std::make_unique<Piece>(Piece{.position = next, .end = end}));
    next = end;
  }
  if (absl::Now() < std::max(next_try_, client_.pace().next())) return;
  for (const auto& piece : pieces_) {
    if (piece->transfer == nullptr && piece->position < piece->end) StartPiece(piece.get());
  }
}

void BlobDownload::StartPiece(Piece* piece) {
  http::Request request{.url = location_.empty() ? hub_address_ : location_};
  if (http::HaveSameOrigin(request.url, client_.settings().endpoint)) request.token = client_.settings().token;
  piece->is_whole = uses_one_stream_ || (piece->position == 0 && piece->end == bytes_);
  piece->is_checked = false;
  if (piece->is_whole) {
    piece->position = 0;
  } else {
    request.range = http::Range{piece->position, piece->end};
  }
  piece->transfer = loop_->Start(std::make_unique<http::Transfer>(
      std::move(request), client_.settings().http,
      [this, piece](const http::Head& head, absl::string_view bytes) { return OnBody(piece, head, bytes); }));
}

absl::Status BlobDownload::CheckAnswer(const Piece& piece, const http::Head& head) const {
  int64_t total = bytes_;
  if (piece.is_whole) {
    const std::string length = head.Field("content-length");
    if (!length.empty() && !absl::SimpleAtoi(length, &total)) total = -1;
  } else {
    const auto range = ParseContentRange(head.Field("content-range"));
    if (!range.has_value()) return Mismatch("the server does not say which part of the file it sends");
    if (range->begin != piece.position) {
      return Mismatch(absl::StrCat("asked for byte ", piece.position, ", the server sends from byte ", range->begin));
    }
    total = range->total;
  }
  if (total == bytes_) return absl::OkStatus();
  return Mismatch(absl::StrCat("the server says that it has ", total, " bytes, the hub's list says ", bytes_));
}

absl::Status BlobDownload::OnBody(Piece* piece, const http::Head& head, absl::string_view bytes) {
  if (head.status == kWhole && !piece->is_whole) {
    has_no_ranges_ = true;
    return NoRanges();
  }
  if (head.status != kWhole && head.status != kPartial) return absl::OkStatus();  // the words of an error
  if (!piece->is_checked) PIVOT_RETURN_IF_ERROR(CheckAnswer(*piece, head));
  piece->is_checked = true;
  piece->redirects = 0;
  const auto count = static_cast<int64_t>(bytes.size());
  if (count > piece->end - piece->position) {
    return Mismatch(absl::StrCat("the server sends more than the ", bytes_, " bytes of the hub's list"));
  }
  const bool is_first = pieces_.front().get() == piece;
  // Of the whole file, the beginning may lie there already.
  const int64_t known = is_first ? std::clamp<int64_t>(file_.written() - piece->position, 0, count) : 0;
  if (is_first && !piece->waiting.empty()) {
    PIVOT_RETURN_IF_ERROR(WriteWaiting());
  }
  piece->position += count;
  bytes.remove_prefix(piece->is_whole ? static_cast<size_t>(known) : 0);
  if (bytes.empty()) return absl::OkStatus();
  retry_.Reset();
  if (is_first) return file_.Append(bytes);
  piece->waiting.append(bytes.data(), bytes.size());
  return absl::OkStatus();
}

/// Of the pieces whose turn has come.
absl::Status BlobDownload::WriteWaiting() {
  while (!pieces_.empty()) {
    Piece& first = *pieces_.front();
    PIVOT_RETURN_IF_ERROR(file_.Append(first.waiting));
    std::string().swap(first.waiting);
    if (first.transfer != nullptr || first.position < first.end) return absl::OkStatus();
    pieces_.pop_front();
  }
  return absl::OkStatus();
}

absl::Status BlobDownload::OnEnded(const http::TransferLoop::Ended& ended) {
  const auto found = std::find_if(pieces_.begin(), pieces_.end(),
                                  [&ended](const auto& piece) { return piece->transfer == ended.transfer.get(); });
  Piece* piece = found->get();
  piece->transfer = nullptr;
  if (absl::IsAborted(ended.outcome)) return absl::OkStatus();
  const bool may_pass = absl::IsUnavailable(ended.outcome) && ReasonOf(ended.outcome) == "HUB_UNREACHABLE";
  if (may_pass) return TryAgain(ended.outcome.message());
  PIVOT_RETURN_IF_ERROR(ended.outcome);
  return OnReply(piece, *ended.transfer);
}

absl::Status BlobDownload::OnReply(Piece* piece, const http::Transfer& transfer) {
  const http::Head& head = transfer.head();
  const std::string& address = transfer.request().url;
  const std::string host = http::HostOf(address);
  if (head.status == kWhole || head.status == kPartial) {
    if (piece->position == piece->end) return absl::OkStatus();
    return TryAgain(absl::StrCat(host, " ended its answer before the end"));
  }
  if (head.status >= 300 && head.status < 400) return OnRedirect(piece, transfer);
  if (http::IsPassing(head.status)) {
    // What another piece was told in the same moment says no more.
    if (absl::Now() < client_.pace().next()) return absl::OkStatus();
    return WaitAfter(head, host, &retry_, &client_.pace(), client_.hooks());
  }
  if (head.status == kRangeNotThere) {
    return Mismatch(absl::StrCat("the server has no byte ", piece->position, " of the ", bytes_, " in the hub's list"));
  }
  if (address != hub_address_) {  // a signed address that has run out
    if (location_ == address) location_.clear();
    return TryAgain(absl::StrCat(host, " answers with status ", head.status));
  }
  return RefusalOf(head, remote_.name, client_.settings());
}

absl::Status BlobDownload::OnRedirect(Piece* piece, const http::Transfer& transfer) {
  const http::Head& head = transfer.head();
  const std::string& address = transfer.request().url;
  if (++piece->redirects > kMaxRedirects || head.Field("location").empty()) {
    return WithReason(absl::FailedPreconditionError(absl::StrCat(http::HostOf(address), " redirects in a circle")),
                      "HUB_ANSWER_INVALID");
  }
  const std::string commit = head.Field("x-repo-commit");
  if (!commit.empty() && commit != remote_.commit) {
    return Mismatch(absl::StrCat("the hub gives it at commit ", commit));
  }
  absl::StatusOr<std::string> target = http::FollowLocation(address, head.Field("location"));
  if (!target.ok()) return WithReason(target.status(), "HUB_ANSWER_INVALID");
  location_ = *std::move(target);
  return absl::OkStatus();
}

absl::Status BlobDownload::TryAgain(absl::string_view failure) {
  // Connections that are cut together are one failure.
  if (absl::Now() < next_try_) return absl::OkStatus();
  if (retry_.IsSpent()) {
    return WithReason(absl::UnavailableError(absl::StrCat(
                          "cannot fetch ", remote_.file.path, " of ", remote_.name.repo, " (", file_.written(), " of ",
                          bytes_, " bytes are there): ", failure, "; the same command goes on from there")),
                      "HUB_UNREACHABLE");
  }
  next_try_ = absl::Now() + retry_.Next();
  return absl::OkStatus();
}

/// From a server that knows no ranges: the file from its beginning, without what is there already.
void BlobDownload::UseOneStream() {
  uses_one_stream_ = true;
  for (const auto& piece : pieces_) {
    if (piece->transfer != nullptr) loop_->Drop(piece->transfer);
  }
  pieces_.clear();
  pieces_.push_back(std::make_unique<Piece>(Piece{.position = 0, .end = bytes_}));
}

absl::Status BlobDownload::Mismatch(absl::string_view what) const {
  return WithReason(
      absl::DataLossError(absl::StrCat(remote_.file.path, " of ", remote_.name.repo, " at commit ", remote_.commit,
                                       " did not arrive as the hub describes it: ", what)),
      "DOWNLOAD_MISMATCH");
}

void BlobDownload::Tell(Origin origin) {
  int64_t there = file_.written();
  for (const auto& piece : pieces_) there += static_cast<int64_t>(piece->waiting.size());
  if (there != told_) on_bytes_(there - told_, origin);
  told_ = there;
}

}  // namespace pivot::hub
