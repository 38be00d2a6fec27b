// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_PROBE_PROBE_H_
#define PIVOT_SERVER_PROBE_PROBE_H_

// Asks pivot-probe, a short-lived process, about model folders, so that hostile files never meet the server's address
// space.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "nlohmann/json_fwd.hpp"
#include "pivot/v1/capabilities.pb.h"
#include "pivot/v1/job.pb.h"

#include "server/probe/plan_memory.h"
#include "server/process/capture.h"
#include "server/scheduler/device.h"

namespace pivot {

/// Of answers that are kept.
inline constexpr size_t kKnownBytes = size_t{8} << 20;

struct ProbeOptions {
  std::string program;
  std::vector<std::string> environment;
  CaptureLimits limits;
  std::function<absl::Time()> now = absl::Now;  // beside the times of files
};

/// 20 s, 64 MiB of output, 2 GiB of memory (no bound in a build with sanitizers, which reserve terabytes).
CaptureLimits DefaultProbeLimits();

/// Functions may be called from any thread; each starts a process and waits for it, unless it knows the answer. At most
/// four processes run at once.
class Probe {
 public:
  explicit Probe(ProbeOptions options) : options_(std::move(options)) {}

  /// The plan of a compress task; nothing for other tasks whose source is fine. Otherwise the probe's own error, or
  /// PROBE_TIMEOUT, PROBE_FAILED. What was answered for the same task is answered again as long as nothing at the
  /// source has changed (source_state.h).
  absl::StatusOr<std::optional<v1::Plan>> Examine(const v1::JobSpec& spec, absl::Span<const Device> devices);

  /// What the engine can do: architectures, methods, formats, bits, group_sizes. Other fields stay unset.
  absl::StatusOr<v1::ServerCapabilities> Capabilities();

  /// Running and later calls end with UNAVAILABLE.
  void Stop();

 private:
  /// Waits until few enough processes run; false: the server stops.
  bool Enter();
  void Leave();
  absl::StatusOr<nlohmann::json> Ask(const std::vector<std::string>& arguments, const std::string& input);

  absl::StatusOr<std::optional<v1::Plan>> AskForPlan(const v1::JobSpec& spec, absl::Span<const Device> devices);

  const ProbeOptions options_;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  int running_ = 0;  // processes
  PlanMemory known_{kKnownBytes};
};

}  // namespace pivot

#endif  // PIVOT_SERVER_PROBE_PROBE_H_
