// SPDX-License-Identifier: Apache-2.0
// pivot-worker: runs one job for pivotd. Speaks frames on file descriptor 3 (proto/worker.md), writes only into the
// staging folder it is given, and computes on the GPU that CUDA_VISIBLE_DEVICES shows it, or on the CPU when that is
// empty.

#include <ATen/Parallel.h>
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

#include "engine/model/json.h"
#include "engine/model/mapped_changes.h"
#include "engine/tasks/tasks.h"
#include "engine/worker_channel.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

WorkerExit ExitOf(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  if (absl::IsCancelled(status)) return WorkerExit::kCancelled;
  if (reason == "NUMERICAL_FAILURE") return WorkerExit::kNumericalFailure;
  if (reason == "GPU_OUT_OF_MEMORY") return WorkerExit::kGpuOutOfMemory;
  if (reason == "HOST_OUT_OF_MEMORY") return WorkerExit::kHostOutOfMemory;
  if (reason == "DEVICE_FAULT") return WorkerExit::kDeviceFault;
  if (reason == "SOURCE_CHANGED") return WorkerExit::kInputOutput;
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kPermissionDenied:
      return WorkerExit::kInputOutput;
    default:
      return WorkerExit::kInvalidInput;
  }
}

std::string DeviceName() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return visible == nullptr || *visible == '\0' ? "cpu" : "cuda:0";
}

/// The worker must not outlive the server, nor leave a core of the size of a model.
absl::Status PrepareProcess() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  signal(SIGPIPE, SIG_IGN);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  int type = 0;
  socklen_t size = sizeof(type);
  if (getsockopt(kWorkerSocketFd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET) {
    return absl::FailedPreconditionError(
        "pivot-worker is started by pivotd, not by hand: file descriptor 3 is not its socket");
  }
  return absl::OkStatus();
}

absl::StatusOr<json> RunJob(WorkerChannel& channel, const Frame& start, ComputeDevice device) {
  PIVOT_ASSIGN_OR_RETURN(const json payload, ParseJson(start.payload, "Start"));
  JsonFields fields(payload, "Start");
  const json* spec = fields.OptionalObject("spec");
  const std::string job = fields.Text("job");
  const int64_t threads = fields.OptionalInteger("threads").value_or(0);
  const int64_t gpu_memory_bytes = fields.OptionalInteger("gpu_memory_bytes").value_or(0);
  PIVOT_RETURN_IF_ERROR(fields.status());
  if (spec == nullptr) return absl::InvalidArgumentError("Start has no spec");
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
  device.threads = at::get_num_threads();
  if (gpu_memory_bytes > 0 && device.kind() == DeviceKind::kCuda)
    device.memory_bytes = std::min(device.memory_bytes, gpu_memory_bytes);
  JobHooks hooks = channel.MakeHooks();
  hooks.publish = [publish = hooks.publish](const StagedPivot& staged) -> absl::Status {
    PIVOT_RETURN_IF_ERROR(CheckMappedFiles());
    return publish(staged);
  };
  // The folder is reached through its descriptor, wherever the server keeps it.
  const TaskContext context{
      .job_name = job, .staging_folder = absl::StrCat("/proc/self/fd/", start.fd), .device = &device, .hooks = &hooks};
  auto result = RunTask(*spec, context);
  // What a changed file leads to says less than that it has changed.
  if (!absl::IsCancelled(result.status())) PIVOT_RETURN_IF_ERROR(CheckMappedFiles());
  return result;
}

/// Says why the job has failed; the code that the process is to end with.
WorkerExit Fail(WorkerChannel& channel, const absl::Status& status) {
  const WorkerExit exit = ExitOf(status);
  json error = StatusToJson(status);
  error["retryable"] = exit == WorkerExit::kDeviceFault;
  channel.Send(FrameType::kError, error);
  std::cerr << status << "\n";
  return exit;
}

int Main() {
  if (const absl::Status ready = PrepareProcess(); !ready.ok()) {
    std::cerr << ready.message() << "\n";
    return static_cast<int>(WorkerExit::kInvalidInput);
  }
  WorkerChannel channel(kWorkerSocketFd);
  const auto device = OpenDevice(DeviceName(), 0);
  const auto start = channel.Begin(device.value_or(ComputeDevice{.name = "none"}));
  if (!start.ok()) {
    std::cerr << start.status().message() << "\n";
    return 1;
  }
  ReportBusErrors([&channel](const absl::Status& status) { _exit(static_cast<int>(Fail(channel, status))); });
  const absl::StatusOr<json> result =
      device.ok() ? RunJob(channel, *start, *device) : absl::StatusOr<json>(device.status());
  if (result.ok()) {
    channel.Send(FrameType::kDone, result->is_null() ? json::object() : json{{"result", *result}});
    return static_cast<int>(WorkerExit::kDone);
  }
  return static_cast<int>(Fail(channel, result.status()));
}

}  // namespace
}  // namespace pivot

int main() { return pivot::Main(); }
