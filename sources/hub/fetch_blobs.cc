// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/fetch_blobs.h"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <mutex>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "sources/hub/blob_download.h"
#include "sources/hub/blob_lock.h"

#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::hub {
namespace {

constexpr size_t kMaxFilesAtOnce = 4;
constexpr auto kTellEvery = std::chrono::milliseconds(500);
constexpr size_t kSamplesOfRate = 10;

class Fetcher {
 public:
  Fetcher(const FetchBlobsRequest& request, const HubCache& cache, HubClient* client)
      : request_(request),
        cache_(cache),
        hooks_{.note = [this](const std::string& sentence) { Note(sentence); },
               .is_stopped = [this] { return IsStopped(); }},
        outer_(client->hooks()),
        client_(client->settings(), hooks_),
        left_(request.files.begin(), request.files.end()) {
    for (const CachedFile& file : request.files) total_bytes_ += file.bytes;
  }

  absl::StatusOr<int64_t> Run() {
    std::vector<std::thread> threads;
    running_ = std::min(kMaxFilesAtOnce, left_.size());
    for (size_t i = running_; i > 0; --i) threads.emplace_back([this] { Work(); });
    Watch();
    for (std::thread& thread : threads) thread.join();
    PIVOT_RETURN_IF_ERROR(status_);
    return arrived_bytes_;
  }

 private:
  bool IsStopped() {
    const std::lock_guard lock(mutex_);
    return !status_.ok() || outer_.is_stopped();
  }

  void Note(const std::string& sentence) {
    const std::lock_guard lock(mutex_);
    outer_.note(sentence);
  }

  /// Until all threads have ended.
  void Watch() {
    std::unique_lock lock(mutex_);
    while (running_ > 0) {
      changed_.wait_for(lock, kTellEvery, [this] { return running_ == 0; });
      request_.on_progress(Progress());
    }
  }

  FetchProgress Progress() {
    const absl::Time now = absl::Now();
    samples_.push_back({now, arrived_bytes_});
    if (samples_.size() > kSamplesOfRate) samples_.pop_front();
    const double seconds = absl::ToDoubleSeconds(now - samples_.front().time);
    const auto bytes = static_cast<double>(arrived_bytes_ - samples_.front().bytes);
    return {.done_bytes = done_bytes_,
            .total_bytes = total_bytes_,
            .bytes_per_second = seconds > 0 ? bytes / seconds : 0,
            .path = path_};
  }

  void Work() {
    while (true) {
      CachedFile file;
      {
        const std::lock_guard lock(mutex_);
        if (left_.empty() || !status_.ok()) break;
        file = left_.front();
        path_ = file.path;
        left_.pop_front();
      }
      const absl::Status status = FetchOne(file);
      const std::lock_guard lock(mutex_);
      // The first one tells why; those that it stopped do not.
      status_.Update(status);
    }
    const std::lock_guard lock(mutex_);
    --running_;
    changed_.notify_all();
  }

  absl::Status FetchOne(const CachedFile& file) {
    if (cache_.HasBlob(file.etag, file.bytes)) return Count(file.bytes);
    PIVOT_ASSIGN_OR_RETURN(const BlobLock lock, BlobLock::Acquire(
                                                    cache_.LockPath(file.etag),
                                                    [&] {
                                                      Note(absl::StrCat(file.path,
                                                                        " is being fetched by another process: "
                                                                        "waiting for it"));
                                                    },
                                                    hooks_.is_stopped));
    if (cache_.HasBlob(file.etag, file.bytes)) return Count(file.bytes);
    const std::string incomplete = cache_.IncompletePath(file.etag);
    BlobDownload download(&client_, {request_.name, request_.commit, file}, incomplete,
                          [this](int64_t bytes, Origin origin) {
                            const std::lock_guard guard(mutex_);
                            done_bytes_ += bytes;
                            if (origin == Origin::kNetwork) arrived_bytes_ += bytes;
                          });
    PIVOT_RETURN_IF_ERROR(download.Run({}));
    if (rename(incomplete.c_str(), cache_.BlobPath(file.etag).c_str()) != 0) {
      return StatusFromErrno(errno, "cannot rename", incomplete);
    }
    return SyncFolder(cache_.folder() + "/blobs");
  }

  absl::Status Count(int64_t bytes) {
    const std::lock_guard lock(mutex_);
    done_bytes_ += bytes;
    return absl::OkStatus();
  }

  struct Sample {
    absl::Time time;
    int64_t bytes;
  };

  const FetchBlobsRequest& request_;
  const HubCache& cache_;
  const Hooks hooks_;
  const Hooks outer_;
  HubClient client_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<CachedFile> left_;
  size_t running_ = 0;
  absl::Status status_;
  int64_t total_bytes_ = 0;
  int64_t done_bytes_ = 0;
  int64_t arrived_bytes_ = 0;
  std::string path_;
  std::deque<Sample> samples_;
};

absl::Status CheckDisk(const FetchBlobsRequest& request, const HubCache& cache) {
  int64_t needed = 0;
  for (const CachedFile& file : request.files) {
    if (cache.HasBlob(file.etag, file.bytes)) continue;
    struct stat info{};
    const bool is_begun = stat(cache.IncompletePath(file.etag).c_str(), &info) == 0;
    needed += std::max<int64_t>(file.bytes - (is_begun ? info.st_size : 0), 0);
  }
  struct statvfs disk{};
  if (statvfs(cache.folder().c_str(), &disk) != 0) return StatusFromErrno(errno, "cannot look at", cache.folder());
  const auto free = static_cast<int64_t>(disk.f_bavail * disk.f_frsize);
  if (needed <= free) return absl::OkStatus();
  return WithReason(absl::ResourceExhaustedError(absl::StrCat(
                        HubUri(request.name), " needs ", needed, " bytes more in ", cache.folder(), ", where ", free,
                        " are free: free some space, or name a cache on a larger disk in HF_HUB_CACHE")),
                    "DISK_FULL");
}

}  // namespace

absl::StatusOr<int64_t> FetchBlobs(const FetchBlobsRequest& request, const HubCache& cache, HubClient* client) {
  PIVOT_RETURN_IF_ERROR(CheckDisk(request, cache));
  return Fetcher(request, cache, client).Run();
}

}  // namespace pivot::hub
