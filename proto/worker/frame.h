// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_PROTO_WORKER_FRAME_H_
#define PIVOT_PROTO_WORKER_FRAME_H_

// The framed messages between pivotd and pivot-worker; proto/worker.md is the specification.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace pivot {

inline constexpr int kWorkerSocketFd = 3;
inline constexpr uint16_t kFrameVersion = 1;
inline constexpr size_t kFrameHeaderBytes = 16;
inline constexpr size_t kMaxFrameBytes = 65536;

enum class FrameType : uint16_t {
  kStart = 1,
  kCancel = 2,
  kPublished = 3,
  kRefused = 4,
  kHello = 101,
  kStageStarted = 102,
  kProgress = 103,
  kBlockDone = 104,
  kStageDone = 105,
  kQualityMeasured = 106,
  kWarning = 107,
  kPivotStaged = 108,
  kHeartbeat = 109,
  kDone = 110,
  kError = 111,
};

/// How a worker process says why it ended.
enum class WorkerExit : int {
  kDone = 0,
  kCancelled = 10,
  kInvalidInput = 20,
  kNumericalFailure = 21,
  kGpuOutOfMemory = 30,
  kHostOutOfMemory = 31,
  kDeviceFault = 32,
  kInputOutput = 33,
};

struct Frame {
  FrameType type;
  uint64_t seq = 0;
  std::string payload;  // JSON object
  int fd = -1;          // received descriptor, owned by whoever holds the frame; -1: none
};

/// One datagram of a frame. `payload` must be at most kMaxFrameBytes - kFrameHeaderBytes long.
std::string EncodeFrame(FrameType type, uint64_t seq, absl::string_view payload);

/// The frame in one datagram. kDataLoss when it is too short, of another version, or its payload is not a JSON object.
absl::StatusOr<Frame> DecodeFrame(absl::string_view datagram);

/// One end of the socket pair. Owns its descriptor. Sending is for any thread, one at a time as the caller arranges;
/// receiving is for one thread.
class WorkerSocket {
 public:
  explicit WorkerSocket(int fd) : fd_(fd) {}
  WorkerSocket(WorkerSocket&& other) noexcept;
  WorkerSocket& operator=(WorkerSocket&& other) noexcept;
  ~WorkerSocket();

  int fd() const { return fd_; }

  /// Sends one frame, with a copy of `pass_fd` if that is not -1. kUnavailable when the peer is gone,
  /// kInvalidArgument when the payload is too long.
  absl::Status Send(FrameType type, const nlohmann::json& payload, int pass_fd = -1);

  /// The next frame, or nothing when none came in time (timeout 0: look only). kUnavailable when the peer closed,
  /// kDataLoss when what came is not a frame or its seq does not follow.
  absl::StatusOr<std::optional<Frame>> Receive(int timeout_milliseconds);

 private:
  int fd_;
  uint64_t sent_ = 0;
  uint64_t received_ = 0;
};

}  // namespace pivot

#endif  // PIVOT_PROTO_WORKER_FRAME_H_
