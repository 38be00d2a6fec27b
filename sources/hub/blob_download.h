// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SOURCES_HUB_BLOB_DOWNLOAD_H_
#define PIVOT_SOURCES_HUB_BLOB_DOWNLOAD_H_

// The bytes of one file of the hub: several connections at once, gone on with after a cut, checked against the hash
// that the hub promises.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "sources/http/retry.h"
#include "sources/http/transfer_loop.h"
#include "sources/hub/blob_file.h"
#include "sources/hub/hub_client.h"

namespace pivot::hub {

struct DownloadOptions {
  int connections = 4;
  int64_t piece_bytes = int64_t{8} << 20;
};

/// What is fetched.
struct RemoteFile {
  HubName name;
  std::string commit;
  CachedFile file;
};

/// Where bytes lay before they counted.
enum class Origin { kDisk, kNetwork };

/// Writes in order: the file at `path` always holds the blob's first bytes, whenever the process ends. What arrives
/// before its turn waits in memory, at most (connections - 1) · piece_bytes. For one thread.
class BlobDownload {
 public:
  /// Told how many bytes more (or, when it starts over, fewer) are there.
  using OnBytes = std::function<void(int64_t bytes, Origin origin)>;

  BlobDownload(HubClient* client, RemoteFile remote, const std::string& path, OnBytes on_bytes);
  BlobDownload(const BlobDownload&) = delete;
  BlobDownload& operator=(const BlobDownload&) = delete;
  /// The loop goes before the pieces that its callbacks speak of.
  ~BlobDownload() { loop_.reset(); }

  /// Goes on where the file ends. When it returns OK the file is whole, has the hash, and is on the disk. DATA_LOSS
  /// DOWNLOAD_MISMATCH when size or hash are not what the hub told (after a wrong hash the file is removed);
  /// HUB_UNREACHABLE, HUB_ACCESS_DENIED, DISK_FULL and kCancelled leave what has arrived.
  absl::Status Run(const DownloadOptions& options);

 private:
  struct Piece {
    int64_t position = 0;  // of the next byte to arrive
    int64_t end = 0;
    bool is_whole = false;    // asked for without a range
    bool is_checked = false;  // its answer is what was asked for
    int redirects = 0;
    std::string waiting;  // has arrived, and it is not its turn
    http::Transfer* transfer = nullptr;
  };

  absl::Status FetchAll(const DownloadOptions& options);
  void StartPieces(const DownloadOptions& options);
  void StartPiece(Piece* piece);
  absl::Status OnBody(Piece* piece, const http::Head& head, absl::string_view bytes);
  absl::Status CheckAnswer(const Piece& piece, const http::Head& head) const;
  absl::Status WriteWaiting();
  absl::Status OnEnded(const http::TransferLoop::Ended& ended);
  absl::Status OnReply(Piece* piece, const http::Transfer& transfer);
  absl::Status OnRedirect(Piece* piece, const http::Transfer& transfer);
  absl::Status TryAgain(absl::string_view failure);
  void UseOneStream();
  absl::Status Mismatch(absl::string_view what) const;
  void Tell(Origin origin);

  HubClient& client_;
  const RemoteFile remote_;
  const int64_t bytes_;
  const OnBytes on_bytes_;
  const std::string hub_address_;
  std::string location_;  // where the hub's redirect leads; empty: not known
  BlobFile file_;
  int64_t told_ = 0;
  bool has_no_ranges_ = false;
  bool uses_one_stream_ = false;
  std::deque<std::unique_ptr<Piece>> pieces_;  // in the order of their bytes, without gaps, from the file's end on
  http::Retry retry_;
  absl::Time next_try_ = absl::InfinitePast();
  std::unique_ptr<http::TransferLoop> loop_;
};

}  // namespace pivot::hub

#endif  // PIVOT_SOURCES_HUB_BLOB_DOWNLOAD_H_
