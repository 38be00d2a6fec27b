// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_SERVER_H_
#define PIVOT_SERVER_SERVER_H_

// The whole server, as main() and tests start it.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "server/handlers/stream_slots.h"
#include "server/process/capture.h"
#include "server/scheduler/device.h"
#include "server/scheduler/device_health.h"
#include "server/scheduler/policy.h"
#include "server/store/queue.h"
#include "server/tls.h"
#include "server/worker/watchdog.h"

namespace pivot {

struct ServerOptions {
  std::string data_folder;
  std::vector<std::string> listen;       // empty: unix:DATA/pivotd.sock
  std::vector<std::string> allow_paths;  // folders that jobs may read
  std::string metrics_address;           // loopback HOST:PORT; empty: no metrics
  std::string worker_program;
  std::string probe_program;
  std::string torch_path_file;  // names torch's lib folder when PIVOT_TORCH_LIB does not
  QueueLimits queue_limits = {.total = 10'000, .of_project = 1'000};
  StreamLimits stream_limits;
  std::string identity_file;  // who may do what, docs/identity.md; empty: whoever reaches the server may do everything
  TlsOptions tls;             // of the addresses that are no Unix sockets

  // What tests change.
  int64_t min_free_disk_bytes = int64_t{64} << 20;  // for the server's own records: with less it takes no jobs
  std::vector<std::string> environment;        // as of process/environment.h: what children may get is taken from it
  std::optional<std::vector<Device>> devices;  // absent: those of the machine
  std::function<std::map<std::string, int64_t>()> gpu_free_bytes;  // by uuid; absent: as NVML says
  std::optional<int64_t> job_memory_bytes;                         // of the host, for jobs; absent: what is available
  PolicyOptions policy;
  HealthRules health;
  WatchdogLimits watchdog;
  CaptureLimits probe_limits;
  absl::Duration heartbeat_interval = absl::Seconds(15);
  std::function<absl::Time()> now = absl::Now;   // what queue_timeout and ttl go by
  absl::Duration call_grace = absl::Seconds(3);  // how long Shutdown() waits for calls to end by themselves
};

/// The options' defaults that come from the process: its environment, and the programs beside its executable.
ServerOptions DefaultServerOptions();

/// Whether the options go together, as far as that shows without a look at files: an address that others can reach
/// needs TLS and an identity file. kInvalidArgument.
absl::Status CheckOptions(const ServerOptions& options);

class Server {
 public:
  /// Returns once it accepts calls. When something is in the way, the message says in a sentence what to do, and
  /// nothing of the attempt is left behind.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options);

  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  /// What it listens on, with real ports: "unix:/run/pivot.sock", "127.0.0.1:41234".
  const std::vector<std::string>& addresses() const;

  /// Port of /metrics; 0 without metrics.
  int metrics_port() const;

  /// Reads the identity file again, which stays in force as it was if it has become unusable; opens the audit log's
  /// file anew; says whether the TLS files still belong together. The log tells what came of it.
  void Reload();

  /// Drains: refuses new jobs, ends the workers (their jobs are queued again for the next start), ends every stream,
  /// closes the store. Takes at most 20 s; a second call does nothing.
  void Shutdown();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_SERVER_H_
