// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/fetch_headers.h"

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <thread>
#include <unistd.h>

#include "absl/strings/str_cat.h"

#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::hub {
namespace {

constexpr size_t kMaxFilesAtOnce = 8;
/// Holds the header of most shards.
constexpr int64_t kFirstBytes = int64_t{256} << 10;
constexpr size_t kLengthBytes = 8;
/// As safetensors' own readers have it.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;

/// The header's own length, little-endian at the front.
uint64_t HeaderBytes(absl::string_view begin) {
  uint64_t bytes = 0;
  for (size_t i = kLengthBytes; i > 0; --i) bytes = (bytes << 8) | static_cast<unsigned char>(begin[i - 1]);
  return bytes;
}

class HeaderFetcher {
 public:
  HeaderFetcher(const HeadersRequest& request, HubClient* client)
      : request_(request),
        outer_(client->hooks()),
        client_(client->settings(), {.note =
                                         [this](const std::string& sentence) {
                                           const std::lock_guard lock(mutex_);
                                           outer_.note(sentence);
                                         },
                                     .is_stopped = [this] { return IsStopped(); }}) {}

  absl::StatusOr<int64_t> Run() {
    std::vector<std::thread> threads;
    for (size_t i = std::min(kMaxFilesAtOnce, request_.weights.size()); i > 0; --i) {
      threads.emplace_back([this] { Work(); });
    }
    for (std::thread& thread : threads) thread.join();
    PIVOT_RETURN_IF_ERROR(status_);
    return bytes_;
  }

 private:
  bool IsStopped() {
    const std::lock_guard lock(mutex_);
    return !status_.ok() || outer_.is_stopped();
  }

  void Work() {
    while (true) {
      size_t index = 0;
      {
        const std::lock_guard lock(mutex_);
        if (next_ == request_.weights.size() || !status_.ok()) return;
        index = next_++;
      }
      const absl::Status status = FetchOne(request_.weights[index]);
      const std::lock_guard lock(mutex_);
      status_.Update(status);
    }
  }

  absl::Status FetchOne(const CachedFile& file) {
    PIVOT_ASSIGN_OR_RETURN(std::string begin, Read(file, std::min(kFirstBytes, file.bytes)));
    const uint64_t length = begin.size() < kLengthBytes ? kMaxHeaderBytes + 1 : HeaderBytes(begin);
    if (length > kMaxHeaderBytes || length + kLengthBytes > static_cast<uint64_t>(file.bytes)) {
      return WithReason(absl::InvalidArgumentError(absl::StrCat(file.path, " of ", request_.name.repo,
                                                                " does not begin like a file of safetensors")),
                        "MALFORMED_WEIGHTS");
    }
    if (length + kLengthBytes > begin.size()) {
      PIVOT_ASSIGN_OR_RETURN(begin, Read(file, static_cast<int64_t>(length + kLengthBytes)));
    }
    begin.resize(length + kLengthBytes);
    return Write(file, begin);
  }

  absl::StatusOr<std::string> Read(const CachedFile& file, int64_t bytes) {
    PIVOT_ASSIGN_OR_RETURN(std::string begin, client_.ReadBeginning(request_.name, request_.commit, file.path, bytes));
    const std::lock_guard lock(mutex_);
    bytes_ += static_cast<int64_t>(begin.size());
    return begin;
  }

  absl::Status Write(const CachedFile& file, absl::string_view header) const {
    const std::string path = absl::StrCat(request_.folder, "/", file.path);
    PIVOT_RETURN_IF_ERROR(WriteFileDurably(path, header));
    if (truncate(path.c_str(), file.bytes) == 0) return absl::OkStatus();
    return StatusFromErrno(errno, "cannot lengthen", path);
  }

  const HeadersRequest& request_;
  const Hooks outer_;
  HubClient client_;
  std::mutex mutex_;  // guards what follows
  size_t next_ = 0;
  int64_t bytes_ = 0;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<int64_t> FetchHeaders(const HeadersRequest& request, HubClient* client) {
  return HeaderFetcher(request, client).Run();
}

}  // namespace pivot::hub
