// SPDX-License-Identifier: Apache-2.0
#include "client/fetch_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "pivot/v1/checkpoints.grpc.pb.h"

#include "client/timed_stream.h"
#include "proto/files/durable_file.h"
#include "proto/files/sha256.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

absl::Status ReadAt(int fd, int64_t offset, std::string* bytes) {
  size_t filled = 0;
  while (filled < bytes->size()) {
    const ssize_t count =
        pread(fd, bytes->data() + filled, bytes->size() - filled, offset + static_cast<int64_t>(filled));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return StatusFromErrno(errno, "cannot read", "a part file");
    if (count == 0) return absl::OutOfRangeError("the part file ends here");
    filled += static_cast<size_t>(count);
  }
  return absl::OkStatus();
}

class Fetch {
 public:
  Fetch(const Connection& connection, const std::string& checkpoint, const ManifestFile& file,
        const FetchOptions& options)
      : connection_(connection), checkpoint_(checkpoint), file_(file), options_(options), backoff_(options.backoff) {}

  absl::Status Run(int fd) {
    TakeOverVerifiedPieces(fd);
    while (next_piece_ < file_.pieces.size()) {
      const size_t before = next_piece_;
      absl::Status status = ReadPieces(fd);
      if (options_.stop.stop_requested()) return Interrupted();
      if (status.ok()) continue;
      if (next_piece_ != before) backoff_.Reset();
      PIVOT_RETURN_IF_ERROR(DecideAbout(status));
    }
    if (whole_.Finish() != file_.sha256) {
      return Damaged(absl::StrCat(file_.path, " has another hash than its pieces: the manifest of ", checkpoint_,
                                  " is damaged; run `pivot verify` where it was made"));
    }
    if (ftruncate(fd, file_.size) != 0) return StatusFromErrno(errno, "cannot shorten", file_.path);
    if (fsync(fd) != 0) return StatusFromErrno(errno, "cannot sync", file_.path);
    return absl::OkStatus();
  }

 private:
  static absl::Status Damaged(const std::string& message) {
    return WithReason(absl::DataLossError(message), "CHECKSUM_MISMATCH");
  }

  void TakeOverVerifiedPieces(int fd) {
    for (; next_piece_ < file_.pieces.size(); ++next_piece_) {
      const ManifestPiece& piece = file_.pieces[next_piece_];
      std::string bytes(static_cast<size_t>(piece.size), '\0');
      if (!ReadAt(fd, piece.offset, &bytes).ok() || Sha256Of(bytes) != piece.sha256) return;
      Count(piece, bytes);
    }
  }

  void Count(const ManifestPiece& piece, absl::string_view bytes) {
    whole_.Update(bytes);
    if (options_.on_progress) options_.on_progress(piece.offset + piece.size);
  }

  /// OK: try again from the first piece that is not there.
  absl::Status DecideAbout(const absl::Status& status) {
    if (absl::IsDataLoss(status)) {
      if (bad_piece_ == static_cast<int64_t>(next_piece_)) return status;
      bad_piece_ = static_cast<int64_t>(next_piece_);
      return absl::OkStatus();
    }
    if (!absl::IsUnavailable(status) || !disk_status_.ok() || backoff_.IsTimeToGiveUp()) return status;
    const absl::Duration delay = std::max(backoff_.Next(), RetryDelayOf(status));
    return SleepUnlessStopped(delay, options_.stop) ? absl::OkStatus() : Interrupted();
  }

  /// One call that takes as many pieces as come.
  absl::Status ReadPieces(int fd) {
    v1::ReadFileRequest request;
    request.set_checkpoint(checkpoint_);
    request.set_path(file_.path);
    request.set_offset(file_.pieces[next_piece_].offset);
    const auto stub = v1::Checkpoints::NewStub(connection_.data);
    const auto prepare = [&](grpc::ClientContext* context, grpc::CompletionQueue* queue) {
      ShowToken(connection_, context);
      return stub->PrepareAsyncReadFile(context, request, queue);
    };
    TimedStream<v1::ReadFileResponse> stream(prepare, options_.silence_limit, options_.stop);
    int64_t position = request.offset();
    pending_.clear();
    v1::ReadFileResponse response;
    while (stream.Read(&response)) {
      if (response.has_tail()) PIVOT_RETURN_IF_ERROR(CheckTail(response.tail()));
      if (response.data().empty()) continue;
      if (response.offset() != position || position + static_cast<int64_t>(response.data().size()) > file_.size) {
        return Damaged(absl::StrCat("the server sent bytes of ", file_.path, " that the manifest does not have"));
      }
      position += static_cast<int64_t>(response.data().size());
      PIVOT_RETURN_IF_ERROR(Take(response.data(), fd));
    }
    PIVOT_RETURN_IF_ERROR(FromGrpcStatus(stream.Finish(), connection_.address));
    if (next_piece_ == file_.pieces.size()) return absl::OkStatus();
    return Damaged(absl::StrCat("the server's ", file_.path, " ends at byte ", position, " instead of ", file_.size));
  }

  absl::Status CheckTail(const v1::FileTail& tail) const {
    if (tail.total_size() == file_.size && tail.sha256() == file_.sha256) return absl::OkStatus();
    return Damaged(absl::StrCat("the server's ", file_.path, " (", tail.total_size(), " bytes) is not the manifest's (",
                                file_.size, " bytes)"));
  }

  /// Adds bytes to the piece under way; a piece that is complete and right goes to disk.
  absl::Status Take(absl::string_view bytes, int fd) {
    while (!bytes.empty()) {
      const ManifestPiece& piece = file_.pieces[next_piece_];
      const size_t count = std::min(bytes.size(), static_cast<size_t>(piece.size) - pending_.size());
      pending_.append(bytes.data(), count);
      bytes.remove_prefix(count);
      if (pending_.size() < static_cast<size_t>(piece.size)) continue;
      if (Sha256Of(pending_) != piece.sha256) {
        return Damaged(absl::StrCat(file_.path, " arrived damaged between byte ", piece.offset, " and ",
                                    piece.offset + piece.size, ", twice: the copy at ", connection_.address,
                                    " is bad"));
      }
      disk_status_ = WriteAt(fd, piece.offset, pending_, file_.path);
      PIVOT_RETURN_IF_ERROR(disk_status_);
      Count(piece, pending_);
      pending_.clear();
      ++next_piece_;
    }
    return absl::OkStatus();
  }

  const Connection& connection_;
  const std::string& checkpoint_;
  const ManifestFile& file_;
  const FetchOptions& options_;
  Backoff backoff_;
  Sha256 whole_;
  size_t next_piece_ = 0;
  int64_t bad_piece_ = -1;
  // Not OK: our disk has failed, so asking the server again is no use.
  absl::Status disk_status_;
  std::string pending_;
};

}  // namespace

absl::Status FetchFile(const Connection& connection, const std::string& checkpoint, const ManifestFile& file,
                       const Place& place, const FetchOptions& options) {
  const std::string part = place.name + ".part";
  PIVOT_ASSIGN_OR_RETURN(const UniqueFd fd, OpenToFill(place, part));
  PIVOT_RETURN_IF_ERROR(Fetch(connection, checkpoint, file, options).Run(fd.get()));
  if (renameat(place.folder.get(), part.c_str(), place.folder.get(), place.name.c_str()) != 0) {
    return StatusFromErrno(errno, "cannot rename to", file.path);
  }
  if (fsync(place.folder.get()) != 0) return StatusFromErrno(errno, "cannot sync the folder of", file.path);
  return absl::OkStatus();
}

}  // namespace pivot::client
