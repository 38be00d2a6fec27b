// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_PROBE_PROBE_H_
#define PIVOT_SERVER_PROBE_PROBE_H_

// Asks pivot-probe, a short-lived process, about model folders, so that hostile files never meet the server's address
// space.

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "nlohmann/json_fwd.hpp"
#include "pivot/v1/capabilities.pb.h"
#include "pivot/v1/job.pb.h"

#include "server/process/capture.h"
#include "server/scheduler/device.h"

namespace pivot {

struct ProbeOptions {
  std::string program;
  std::vector<std::string> environment;
  CaptureLimits limits;
};

/// 20 s, 64 MiB of output, 2 GiB of memory (no bound in a build with sanitizers, which reserve terabytes).
CaptureLimits DefaultProbeLimits();

/// Functions may be called from any thread; each starts a process and waits for it.
class Probe {
 public:
  explicit Probe(ProbeOptions options) : options_(std::move(options)) {}

  /// The plan of a compress task; nothing for other tasks whose source is fine. Otherwise the probe's own error, or
  /// PROBE_TIMEOUT, PROBE_FAILED.
  absl::StatusOr<std::optional<v1::Plan>> Examine(const v1::JobSpec& spec, absl::Span<const Device> devices);

  /// What the engine can do: architectures, methods, formats, bits, group_sizes. Other fields stay unset.
  absl::StatusOr<v1::ServerCapabilities> Capabilities();

  /// Running and later calls end with UNAVAILABLE.
  void Stop() { stop_ = true; }

 private:
  absl::StatusOr<nlohmann::json> Ask(const std::vector<std::string>& arguments, const std::string& input);

  const ProbeOptions options_;
  std::atomic<bool> stop_ = false;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_PROBE_PROBE_H_
