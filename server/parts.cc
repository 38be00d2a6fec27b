// SPDX-License-Identifier: Apache-2.0
#include "server/parts.h"

#include <chrono>
#include <filesystem>
#include <grpcpp/health_check_service_interface.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/files/crash_point.h"
#include "proto/status/status_macros.h"
#include "server/artifact/recovery.h"
#include "server/errors.h"
#include "server/log.h"
#include "server/process/environment.h"
#include "server/services.h"
#include "server/store/transition.h"
#include "server/unused_memory.h"

namespace pivot {
namespace {

constexpr int kControlThreads = 4;
constexpr int kTransferThreads = 4;
// More than processes that look at models: who knows the answer already writes with others into one transaction.
constexpr int kProbeThreads = 16;
constexpr int kPublishThreads = 2;
constexpr std::chrono::seconds kTidyInterval(10);

absl::Status CheckProgram(const std::string& path, const char* flag) {
  std::error_code error;
  if (access(path.c_str(), X_OK) == 0 && !std::filesystem::is_directory(path, error)) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(path, " is not there or cannot be run; name the right one with ", flag));
}

v1::ServerLimits DescribeLimits(const ServerOptions& options) {
  v1::ServerLimits limits;
  limits.set_max_queued_jobs(static_cast<int32_t>(options.queue_limits.total));
  limits.set_max_queued_jobs_per_project(static_cast<int32_t>(options.queue_limits.of_project));
  limits.set_max_watchers(static_cast<int32_t>(options.stream_limits.watchers));
  limits.set_max_data_streams(static_cast<int32_t>(options.stream_limits.data_streams));
  if (!options.identity_file.empty()) {
    limits.set_max_watchers_per_principal(static_cast<int32_t>(options.stream_limits.watchers_per_principal));
    limits.set_max_data_streams_per_principal(static_cast<int32_t>(options.stream_limits.data_streams_per_principal));
  }
  limits.set_max_streams_per_connection(kMaxStreamsPerConnection);
  limits.set_max_message_bytes(kMaxMessageBytes);
  limits.set_max_metadata_bytes(kMaxMetadataBytes);
  limits.set_min_ping_seconds(kMinPingSeconds);
  limits.set_max_idle_seconds(kMaxIdleSeconds);
  return limits;
}

std::vector<Device> FindDevices(const ServerOptions& options) {
  if (options.devices.has_value()) return *options.devices;
  std::vector<Device> devices = SelectVisible(FindGpus(), FindVariable(options.environment, "CUDA_VISIBLE_DEVICES"));
  devices.push_back(DescribeCpu());
  return devices;
}

}  // namespace

absl::Status Server::Parts::Check() {
  PIVOT_RETURN_IF_ERROR(CheckOptions(options));
  PIVOT_RETURN_IF_ERROR(CheckProgram(options.worker_program, "--worker"));
  PIVOT_RETURN_IF_ERROR(CheckProgram(options.probe_program, "--probe"));
  PIVOT_ASSIGN_OR_RETURN(paths, AllowedPaths::Make(options.allow_paths));
  if (options.tls.is_on()) PIVOT_RETURN_IF_ERROR(CheckTls(options.tls));
  PIVOT_ASSIGN_OR_RETURN(identity, Identity::Load(options.identity_file, options.now));
  return CheckAddresses();
}

absl::Status Server::Parts::CheckAddresses() {
  if (options.listen.empty()) options.listen = {absl::StrCat("unix:", options.data_folder, "/pivotd.sock")};
  for (const std::string& text : options.listen) {
    PIVOT_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(text));
    // Sockets may lie in the data folder: they are looked at once that is ours.
    if (address.kind != ListenAddress::Kind::kUnix) PIVOT_RETURN_IF_ERROR(CheckFree(address));
    listen.push_back(address);
  }
  return absl::OkStatus();
}

absl::Status Server::Parts::OpenStore() {
  PIVOT_ASSIGN_OR_RETURN(data, DataFolder::Open(options.data_folder));
  for (const ListenAddress& address : listen) {
    if (address.kind == ListenAddress::Kind::kUnix) PIVOT_RETURN_IF_ERROR(CheckFree(address));
  }
  metrics = std::make_shared<Metrics>(
      PIVOT_VERSION, MetricsSources{.queue = [this] { return store->ReadQueueFigures().value_or(QueueFigures{}); },
                                    .free_disk_bytes = [this] { return data->FreeBytes(); }});
  PIVOT_ASSIGN_OR_RETURN(
      audit, AuditLog::Open({.path = data->audit(), .lost = [this](int64_t lines) { metrics->AuditLost(lines); }}));
  PIVOT_ASSIGN_OR_RETURN(
      store,
      Store::Open(data->database(),
                  {.committed = [this](const std::string& uid, const v1::JobEvent& event) { HandleCommit(uid, event); },
                   .commit_took = [this](absl::Duration time) { metrics->CommitTook(time); },
                   .now = options.now}));
  return Recover(*store, *data);
}

void Server::Parts::HandleCommit(const std::string& job_uid, const v1::JobEvent& event) {
  if (event.has_state_changed()) {
    const v1::StateChanged& change = event.state_changed();
    Log(Severity::kInfo, "job_state",
        {{"job", event.job()},
         {"attempt", event.attempt()},
         {"state", v1::State_Name(change.to())},
         {"reason", change.reason()}});
    if (IsTerminal(change.to())) metrics->JobFinished(change.to());
    // Queued, or off its device: either way somebody may start now.
    Scheduler* const kicked = scheduler_to_kick;
    if (kicked != nullptr && change.to() != v1::STATE_RUNNING) kicked->Kick();
    Deadlines* const deadlines_now = deadlines_to_kick;
    const bool has_deadline = change.to() == v1::STATE_QUEUED || IsTerminal(change.to());
    if (deadlines_now != nullptr && has_deadline) deadlines_now->Kick();
  }
  if (event.has_attempt_ended()) NoteHealth(job_uid, event.attempt_ended().attempt());
  hub.Committed(job_uid, event);
}

void Server::Parts::NoteHealth(const std::string& job_uid, const v1::Attempt& ended) {
  // A CPU that is sick takes the server with it. Attempts that a server before this one lost say nothing.
  if (ended.device() == kCpuDevice || health == nullptr) return;
  const auto set_aside = health->AttemptEnded(ended.device(), job_uid, ended.cause());
  if (!set_aside.has_value()) return;
  Log(Severity::kWarning, "device_set_aside",
      {{"device", ended.device()}, {"cause", set_aside->cause}, {"until", absl::FormatTime(set_aside->until)}});
  timers->At(TimerQueue::Clock::now() + absl::ToChronoNanoseconds(set_aside->until - options.now()), [this] {
    if (Scheduler* const kicked = scheduler_to_kick; kicked != nullptr) kicked->Kick();
  });
}

absl::Status Server::Parts::StartThreads() {
  devices = FindDevices(options);
  probe = std::make_unique<Probe>(
      ProbeOptions{options.probe_program, CleanEnvironment(options.environment), options.probe_limits});
  PIVOT_ASSIGN_OR_RETURN(v1::ServerCapabilities capabilities, probe->Capabilities());
  publisher = std::make_unique<Publisher>(store.get(), data.get());
  checkpoints = std::make_unique<CheckpointReader>(data.get());
  launcher = std::make_unique<ProcessLauncher>(
      ProcessLauncher::Options{options.worker_program, options.environment, options.torch_path_file});
  timers = std::make_unique<TimerQueue>();
  publishing = std::make_unique<Executor>(kPublishThreads);
  control = std::make_unique<Executor>(kControlThreads);
  probing = std::make_unique<Executor>(kProbeThreads);
  transfer = std::make_unique<Executor>(kTransferThreads);
  slots = std::make_unique<StreamSlots>(options.stream_limits);
  MakeSupervisor();
  MakeScheduler();
  deadlines = std::make_unique<Deadlines>(Deadlines::Parts{.store = store.get(),
                                                           .hub = &hub,
                                                           .data = data.get(),
                                                           .control = control.get(),
                                                           .publishing = publishing.get(),
                                                           .timers = timers.get(),
                                                           .now = options.now});
  MakeBackend(std::move(capabilities));
  return absl::OkStatus();
}

void Server::Parts::MakeSupervisor() {
  supervisor = std::make_unique<Supervisor>(
      Supervisor::Parts{.store = store.get(),
                        .hub = &hub,
                        .data = data.get(),
                        .publisher = publisher.get(),
                        .publishing = publishing.get(),
                        .launcher = launcher.get(),
                        .limits = options.watchdog,
                        .restarted = [this](absl::string_view cause) { metrics->WorkerRestarted(std::string(cause)); },
                        .published = [this](absl::Duration time) { metrics->PublishTook(time); }});
}

void Server::Parts::MakeScheduler() {
  if (!options.gpu_free_bytes) {
    gpu_memory = std::make_unique<GpuMemory>();
    options.gpu_free_bytes = [this] { return gpu_memory->FreeBytes(); };
  }
  gauge = std::make_unique<RoomGauge>(
      devices, RoomGauge::Sources{.gpu_free_bytes = options.gpu_free_bytes,
                                  .disk_free_bytes = [this] { return data->FreeBytes(); },
                                  .host_bytes = options.job_memory_bytes.value_or(AvailableHostBytes()),
                                  .kept_disk_bytes = options.min_free_disk_bytes});
  health = std::make_unique<DeviceHealth>(options.now, options.health);
  scheduler = std::make_unique<Scheduler>(Scheduler::Parts{
      .store = store.get(),
      .executor = control.get(),
      .timers = timers.get(),
      .gauge = gauge.get(),
      .health = health.get(),
      .policy = options.policy,
      .start = [this](const Assignment& assignment) { supervisor->Start(assignment); },
      .preempt = [this](const std::string& uid, int attempt) { supervisor->Preempt(uid, attempt); },
      .written_bytes = [this](const std::string& staging_uid) { return BytesBelow(data->staging(staging_uid)); }});
}

void Server::Parts::MakeBackend(v1::ServerCapabilities capabilities) {
  capabilities.set_version(PIVOT_VERSION);
  capabilities.set_max_queued_jobs(static_cast<int32_t>(options.queue_limits.total));
  *capabilities.mutable_limits() = DescribeLimits(options);
  capabilities.set_max_spec_bytes(static_cast<int32_t>(kMaxSpecBytes));
  // NOLINTNEXTLINE(modernize-make-unique): its atomic cannot be moved
  backend.reset(new Backend{.store = store.get(),
                            .hub = &hub,
                            .data = data.get(),
                            .supervisor = supervisor.get(),
                            .probe = probe.get(),
                            .checkpoints = checkpoints.get(),
                            .metrics = metrics.get(),
                            .timers = timers.get(),
                            .deadlines = deadlines.get(),
                            .streams = &streams,
                            .slots = slots.get(),
                            .identity = identity.get(),
                            .audit = audit.get(),
                            .control = control.get(),
                            .probing = probing.get(),
                            .transfer = transfer.get(),
                            .publishing = publishing.get(),
                            .paths = &*paths,
                            .devices = devices,
                            .health = health.get(),
                            .capabilities = std::move(capabilities),
                            .queue_limits = options.queue_limits,
                            .min_free_disk_bytes = options.min_free_disk_bytes,
                            .heartbeat_interval = options.heartbeat_interval});
}

absl::Status Server::Parts::Serve() {
  if (!options.metrics_address.empty()) {
    PIVOT_ASSIGN_OR_RETURN(metrics_serving, StartMetrics(options.metrics_address, metrics));
  }
  services = MakeServices(backend.get());
  PIVOT_ASSIGN_OR_RETURN(serving,
                         StartGrpc(listen, services, options.tls.is_on() ? MakeTlsCredentials(options.tls) : nullptr));
  return absl::OkStatus();
}

void Server::Parts::TidyMemory() {
  publishing->Post([this] {
    ReturnUnusedMemory();
    timers->At(TimerQueue::Clock::now() + kTidyInterval, [this] { TidyMemory(); });
  });
}

void Server::Parts::RunJobs() {
  TidyMemory();
  scheduler_to_kick = scheduler.get();
  deadlines_to_kick = deadlines.get();
  deadlines->Kick();
  scheduler->Kick();
}

void Server::Parts::Reload() {
  const auto tell = [](absl::string_view what, const absl::Status& status) {
    if (status.ok()) Log(Severity::kInfo, "reloaded", {{"what", what}});
    if (!status.ok()) Log(Severity::kError, "not_reloaded", {{"what", what}, {"error", status}});
  };
  if (identity->asks()) tell("identity", identity->Reload());
  if (options.tls.is_on()) tell("tls", CheckTls(options.tls));
  tell("audit", audit->Reopen());
}

void Server::Parts::Shutdown() {
  if (serving.server != nullptr) serving.server->GetHealthCheckService()->SetServingStatus(false);
  if (backend != nullptr) backend->draining = true;
  if (probe != nullptr) probe->Stop();
  if (scheduler != nullptr) scheduler->Stop();
  if (deadlines != nullptr) deadlines->Stop();
  if (publisher != nullptr) publisher->Stop();
  PIVOT_CRASH_POINT("shutdown.begin");
  if (supervisor != nullptr) supervisor->StopWorkers();
  PIVOT_CRASH_POINT("shutdown.workers_stopped");
  streams.StopAll(Draining());
  if (serving.server != nullptr) {
    // Calls that do not end by themselves, such as streams that nobody reads, are cancelled after the grace.
    serving.server->Shutdown(std::chrono::system_clock::now() + absl::ToChronoNanoseconds(options.call_grace));
    serving.server->Wait();
    serving.server.reset();
  }
  metrics_serving.exposer.reset();
  for (Executor* executor : {probing.get(), transfer.get(), control.get(), publishing.get()}) {
    if (executor != nullptr) executor->Stop();
  }
  audit.reset();
  timers.reset();
  supervisor.reset();
  PIVOT_CRASH_POINT("shutdown.before_close");
  store.reset();
  PIVOT_CRASH_POINT("shutdown.closed");
  data.reset();
}

}  // namespace pivot
