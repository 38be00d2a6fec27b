// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_HANDLERS_BACKEND_H_
#define PIVOT_SERVER_HANDLERS_BACKEND_H_

// What the handlers of calls work with.

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "pivot/v1/capabilities.pb.h"

#include "server/allowed_paths.h"
#include "server/artifact/checkpoint_reader.h"
#include "server/audit/audit_log.h"
#include "server/data_folder.h"
#include "server/deadlines.h"
#include "server/executor.h"
#include "server/handlers/stream_registry.h"
#include "server/handlers/stream_slots.h"
#include "server/hub.h"
#include "server/identity/identity.h"
#include "server/metrics.h"
#include "server/probe/probe.h"
#include "server/scheduler/device.h"
#include "server/scheduler/device_health.h"
#include "server/store/store.h"
#include "server/timer_queue.h"
#include "server/worker/supervisor.h"

namespace pivot {

inline constexpr int64_t kMaxSpecBytes = int64_t{64} << 10;

struct Backend {
  Store* store;
  Hub* hub;
  const DataFolder* data;
  Supervisor* supervisor;
  Probe* probe;
  CheckpointReader* checkpoints;
  Metrics* metrics;
  TimerQueue* timers;
  Deadlines* deadlines;
  StreamRegistry* streams;
  StreamSlots* slots;
  Identity* identity;
  AuditLog* audit;
  Executor* control;     // short tasks: the store
  Executor* probing;     // tasks that wait for a probe
  Executor* transfer;    // reading files
  Executor* publishing;  // and removing files
  const AllowedPaths* paths;
  std::vector<Device> devices;
  const DeviceHealth* health;
  v1::ServerCapabilities capabilities;  // but for the devices
  QueueLimits queue_limits;
  int64_t min_free_disk_bytes = 0;  // of ServerOptions
  absl::Duration heartbeat_interval;
  std::atomic<bool> draining = false;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_HANDLERS_BACKEND_H_
