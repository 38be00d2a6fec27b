// SPDX-License-Identifier: Apache-2.0
#include "engine/convert/convert.h"

#include <ATen/Parallel.h>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"

#include "engine/checkpoint/staged_folder.h"
#include "engine/convert/convert_gguf.h"
#include "engine/convert/convert_progress.h"
#include "engine/convert/convert_shard.h"
#include "engine/ops/call_torch.h"
#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;

// More would only wait for the disk, and each has a layer in memory.
constexpr int kMaxThreads = 4;
constexpr auto kCancelPoll = std::chrono::milliseconds(100);

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Converts the shards on a few threads, each one shard at a time; the job's thread reports.
class ShardRun {
 public:
  ShardRun(const ShardConverter& converter, const std::vector<OutputShard>& shards, const std::string& folder,
           const JobHooks& hooks)
      : converter_(converter), shards_(shards), folder_(folder), hooks_(hooks) {}

  absl::Status Run() {
    const int total = static_cast<int>(shards_.size());
    const int intra_op_threads = at::get_num_threads();
    const ConvertProgress progress(hooks_, total);
    std::vector<std::thread> threads;
    for (int i = 0; i < std::min({intra_op_threads, kMaxThreads, total}); ++i) threads.emplace_back([this] { Work(); });
    const absl::Status cancelled = Watch(progress, total);
    stopped_ = true;
    for (std::thread& thread : threads) thread.join();
    at::set_num_threads(intra_op_threads);
    // Shards before one that failed were all begun before it: after the join the first failure is the same in every
    // run.
    return cancelled.ok() ? status_ : cancelled;
  }

 private:
  void Work() {
    // The shards are what is spread over threads; without this each thread would start a team of its own.
    at::set_num_threads(1);
    while (!stopped_) {
      const size_t i = next_++;
      if (i >= shards_.size()) return;
      const absl::Status status = converter_.Convert(folder_, shards_[i]);
      const std::lock_guard lock(mutex_);
      if (!status.ok() && i < first_failed_) {
        first_failed_ = i;
        status_ = status;
      }
      ++done_;
      changed_.notify_one();
    }
  }

  /// Until every shard is done or one failed. kCancelled if the job was.
  absl::Status Watch(const ConvertProgress& progress, int total) {
    std::unique_lock lock(mutex_);
    for (int reported = 0; status_.ok() && reported < total;) {
      changed_.wait_for(lock, kCancelPoll, [&] { return done_ > reported || !status_.ok(); });
      const bool has_news = status_.ok() && done_ > reported;
      reported = done_;
      lock.unlock();
      if (hooks_.is_cancelled && hooks_.is_cancelled()) return absl::CancelledError("the job was cancelled");
      if (has_news) progress.Report(reported);
      lock.lock();
    }
    return absl::OkStatus();
  }

  const ShardConverter& converter_;
  const std::vector<OutputShard>& shards_;
  const std::string& folder_;
  const JobHooks& hooks_;
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  int done_ = 0;                    // guarded by mutex_
  size_t first_failed_ = SIZE_MAX;  // guarded by mutex_
  absl::Status status_;             // of shards_[first_failed_]; guarded by mutex_
};

absl::Status ConvertShards(const CheckpointFolder& source, const Conversion& conversion, const std::string& folder,
                           const std::string& shards, const JobHooks& hooks) {
  const ShardConverter converter(source, conversion);
  PIVOT_RETURN_IF_ERROR(ShardRun(converter, conversion.shards, shards, hooks).Run());
  PIVOT_RETURN_IF_ERROR(AssembleFolder(folder, shards, conversion.shards, source.model, conversion.texts));
  return converter.CheckConfiguration(folder);
}

absl::Status ConvertToGguf(const CheckpointFolder& source, const Conversion& conversion, const std::string& folder,
                           const std::string& shards, const JobHooks& hooks) {
  return CallTorchStatus("converting", [&]() -> absl::Status {
    PIVOT_RETURN_IF_ERROR(WriteGguf(source, *conversion.gguf, absl::StrCat(shards, "/", kGgufFileName), hooks));
    PIVOT_RETURN_IF_ERROR(AssembleFolder(folder, shards, conversion.shards, source.model, conversion.texts));
    return CompareGguf(source, folder, hooks);
  });
}

}  // namespace

absl::Status ConvertFolder(const CheckpointFolder& source, const Conversion& conversion, const std::string& folder,
                           const JobHooks& hooks) {
  const auto start = Clock::now();
  if (hooks.is_cancelled && hooks.is_cancelled()) return absl::CancelledError("the job was cancelled");
  const std::string shards = folder + ".shards";
  PIVOT_RETURN_IF_ERROR(RemoveAll(shards));
  PIVOT_RETURN_IF_ERROR(MakeFolders(shards));
  PIVOT_RETURN_IF_ERROR(conversion.gguf.has_value() ? ConvertToGguf(source, conversion, folder, shards, hooks)
                                                    : ConvertShards(source, conversion, folder, shards, hooks));
  PIVOT_RETURN_IF_ERROR(RemoveAll(shards));
  if (hooks.stage_done) hooks.stage_done(kConvertStage, SecondsSince(start), 0);
  return absl::OkStatus();
}

}  // namespace pivot
