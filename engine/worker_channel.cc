// SPDX-License-Identifier: Apache-2.0
#include "engine/worker_channel.h"

#include <chrono>
#include <torch/headeronly/version.h>
#include <unistd.h>
#include <utility>

#include "nlohmann/json.hpp"

#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

constexpr auto kBeat = std::chrono::seconds(1);
constexpr auto kProgressInterval = std::chrono::milliseconds(100);
constexpr int kStartTimeoutMilliseconds = 60'000;
constexpr int kListenMilliseconds = 200;

}  // namespace

WorkerChannel::WorkerChannel(int fd) : socket_(fd) {}

WorkerChannel::~WorkerChannel() {
  is_stopping_ = true;
  if (heart_.joinable()) heart_.join();
  if (listener_.joinable()) listener_.join();
}

absl::StatusOr<Frame> WorkerChannel::Begin(const ComputeDevice& device) {
  device_ = device;
  Send(FrameType::kHello, {{"version", PIVOT_VERSION},
                           {"torch", TORCH_VERSION},
                           {"pid", getpid()},
                           {"device", device.device.str()},
                           {"device_name", device.name},
                           {"threads", device.threads},
                           {"memory_bytes", device.memory_bytes}});
  PIVOT_ASSIGN_OR_RETURN(std::optional<Frame> start, socket_.Receive(kStartTimeoutMilliseconds));
  if (!start.has_value() || start->type != FrameType::kStart || start->fd < 0) {
    return absl::DataLossError("the server did not begin with Start and a staging folder");
  }
  heart_ = std::thread([this] { Beat(); });
  listener_ = std::thread([this] { Listen(); });
  return *std::move(start);
}

void WorkerChannel::Send(FrameType type, const json& payload) {
  const std::lock_guard<std::mutex> lock(send_mutex_);
  const absl::Status status = socket_.Send(type, payload);
  if (absl::IsUnavailable(status)) _exit(1);
}

void WorkerChannel::Beat() {
  auto next = Clock::now();
  while (!is_stopping_) {
    if (Clock::now() >= next) {
      const MemoryUse memory = MeasureMemory(device_);
      Send(FrameType::kHeartbeat, {{"phase", phase_.load()},
                                   {"host_bytes", memory.host_bytes},
                                   {"peak_host_bytes", memory.peak_host_bytes},
                                   {"gpu_bytes", memory.gpu_bytes},
                                   {"peak_gpu_bytes", memory.peak_gpu_bytes}});
      next += kBeat;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void WorkerChannel::Listen() {
  while (!is_stopping_) {
    const auto frame = socket_.Receive(kListenMilliseconds);
    if (!frame.ok()) {
      if (!is_stopping_) _exit(1);
      return;
    }
    if (!frame->has_value()) continue;
    if ((*frame)->fd >= 0) close((*frame)->fd);
    if ((*frame)->type == FrameType::kCancel) is_cancelled_ = true;
    const bool is_answer = (*frame)->type == FrameType::kPublished || (*frame)->type == FrameType::kRefused;
    if (!is_answer) continue;
    const std::lock_guard<std::mutex> lock(answer_mutex_);
    answer_ = (*frame)->type == FrameType::kPublished
                  ? absl::OkStatus()
                  : StatusFromJson(json::parse((*frame)->payload, nullptr, /*allow_exceptions=*/false));
    answer_arrived_.notify_all();
  }
}

absl::Status WorkerChannel::Publish(const StagedPivot& staged) {
  json payload{{"number", staged.number},
               {"directory", staged.directory},
               {"bits_per_weight", staged.bits_per_weight},
               {"model_bits_per_weight", staged.model_bits_per_weight},
               {"seconds", staged.seconds},
               {"source", {{"name", staged.source_name}, {"digest", staged.source_digest}}}};
  if (!staged.quality.is_null()) payload["quality"] = staged.quality;
  Send(FrameType::kPivotStaged, payload);
  std::unique_lock<std::mutex> lock(answer_mutex_);
  while (!answer_.has_value()) {
    answer_arrived_.wait_for(lock, std::chrono::milliseconds(200));
    ++phase_;  // hashing a large folder is the server's work, not ours standing still
  }
  const absl::Status answer = *answer_;
  answer_.reset();
  return answer;
}

void WorkerChannel::SendProgress(const StageProgress& progress) {
  const auto now = Clock::now();
  if (now - last_progress_ < kProgressInterval) return;
  last_progress_ = now;
  const MemoryUse memory = MeasureMemory(device_);
  Send(FrameType::kProgress, {{"stage", progress.stage},
                              {"done", progress.done},
                              {"total", progress.total},
                              {"detail", progress.detail},
                              {"elapsed_seconds", progress.elapsed_seconds},
                              {"remaining_seconds", progress.remaining_seconds},
                              {"host_bytes", memory.host_bytes},
                              {"gpu_bytes", memory.gpu_bytes}});
}

JobHooks WorkerChannel::MakeHooks() {
  JobHooks hooks;
  // Asked between tiles of work: that it is asked shows that work goes on.
  hooks.is_cancelled = [this] {
    ++phase_;
    return is_cancelled();
  };
  hooks.stage_started = [this](const std::string& stage, int total) {
    Send(FrameType::kStageStarted, {{"stage", stage}, {"total", total}});
  };
  hooks.progress = [this](const StageProgress& progress) { SendProgress(progress); };
  hooks.block_done = [this](const BlockProgress& block) {
    Send(FrameType::kBlockDone, {{"stage", block.stage},
                                 {"block", block.block},
                                 {"total", block.total},
                                 {"seconds", block.seconds},
                                 {"relative_error", block.relative_error},
                                 {"resumed", block.resumed}});
  };
  hooks.stage_done = [this](const std::string& stage, double seconds, double flops) {
    Send(FrameType::kStageDone, {{"stage", stage}, {"seconds", seconds}, {"flops", flops}});
  };
  hooks.quality_measured = [this](const std::string& subject, const Quality& quality) {
    Send(FrameType::kQualityMeasured, {{"subject", subject}, {"quality", QualityToJson(quality)}});
  };
  hooks.warning = [this](const std::string& reason, const std::string& message) {
    Send(FrameType::kWarning, {{"reason", reason}, {"message", message}});
  };
  hooks.publish = [this](const StagedPivot& staged) { return Publish(staged); };
  return hooks;
}

}  // namespace pivot
