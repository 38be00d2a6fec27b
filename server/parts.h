// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_PARTS_H_
#define PIVOT_SERVER_PARTS_H_

// Everything that a running server consists of, and the order in which it comes and goes.

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "server/allowed_paths.h"
#include "server/artifact/checkpoint_reader.h"
#include "server/artifact/publisher.h"
#include "server/audit/audit_log.h"
#include "server/data_folder.h"
#include "server/deadlines.h"
#include "server/executor.h"
#include "server/handlers/backend.h"
#include "server/handlers/stream_registry.h"
#include "server/handlers/stream_slots.h"
#include "server/hub.h"
#include "server/identity/identity.h"
#include "server/listen.h"
#include "server/metrics.h"
#include "server/probe/probe.h"
#include "server/scheduler/room_gauge.h"
#include "server/scheduler/scheduler.h"
#include "server/server.h"
#include "server/serving.h"
#include "server/store/store.h"
#include "server/timer_queue.h"
#include "server/worker/launcher.h"
#include "server/worker/supervisor.h"

namespace pivot {

/// What a part points to is declared before it, so it goes after it.
struct Server::Parts {
  ServerOptions options;
  std::vector<ListenAddress> listen;
  std::optional<AllowedPaths> paths;
  std::vector<Device> devices;

  std::unique_ptr<DataFolder> data;
  Hub hub;
  std::unique_ptr<Identity> identity;
  std::unique_ptr<StreamSlots> slots;
  std::shared_ptr<Metrics> metrics;
  std::unique_ptr<AuditLog> audit;
  std::atomic<Scheduler*> scheduler_to_kick = nullptr;  // set once jobs may run
  std::atomic<Deadlines*> deadlines_to_kick = nullptr;  // the same
  std::unique_ptr<Store> store;
  std::unique_ptr<Probe> probe;
  std::unique_ptr<Publisher> publisher;
  std::unique_ptr<CheckpointReader> checkpoints;
  std::unique_ptr<ProcessLauncher> launcher;
  std::unique_ptr<TimerQueue> timers;
  std::unique_ptr<GpuMemory> gpu_memory;
  std::unique_ptr<RoomGauge> gauge;
  std::unique_ptr<DeviceHealth> health;
  std::unique_ptr<Scheduler> scheduler;
  std::unique_ptr<Deadlines> deadlines;
  std::unique_ptr<Supervisor> supervisor;
  std::unique_ptr<Executor> publishing;
  std::unique_ptr<Executor> control;
  std::unique_ptr<Executor> probing;
  std::unique_ptr<Executor> transfer;
  StreamRegistry streams;
  std::unique_ptr<Backend> backend;
  std::vector<std::unique_ptr<grpc::Service>> services;
  GrpcServing serving;
  MetricsServing metrics_serving;

  // The steps of starting, in this order.
  absl::Status Check();
  absl::Status OpenStore();
  absl::Status StartThreads();
  absl::Status Serve();
  void RunJobs();

  void Reload();

  /// Ends whatever has been started; again: nothing.
  void Shutdown();

 private:
  void HandleCommit(const std::string& job_uid, const v1::JobEvent& event);
  absl::Status CheckAddresses();
  void NoteHealth(const std::string& job_uid, const v1::Attempt& ended);
  void TidyMemory();
  void MakeSupervisor();
  void MakeScheduler();
  void MakeBackend(v1::ServerCapabilities capabilities);
};

}  // namespace pivot

#endif  // PIVOT_SERVER_PARTS_H_
