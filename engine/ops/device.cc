// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/device.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <malloc.h>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "engine/ops/call_torch.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr int kCudaOutOfMemory = 2;  // cudaErrorMemoryAllocation
const CudaOps* loaded_cuda_ops = nullptr;

absl::Status DeviceNotFound(absl::string_view problem) {
  return WithReason(absl::FailedPreconditionError(problem), "DEVICE_NOT_FOUND");
}

absl::StatusOr<const CudaOps*> LoadCudaOps() {
  std::error_code error;
  const auto executable = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string path = (executable.parent_path().parent_path() / "lib" / "libpivot_cuda.so").string();
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) {
    return DeviceNotFound(
        absl::StrCat("the GPU part of Pivot cannot be loaded (", dlerror(), "); use --device cpu or repair it"));
  }
  using Function = const CudaOps* (*)();
  const auto function = reinterpret_cast<Function>(dlsym(library, "pivot_cuda_ops"));
  const CudaOps* ops = function == nullptr ? nullptr : function();
  if (ops == nullptr || ops->version != kCudaOpsVersion) {
    return DeviceNotFound(absl::StrCat(path, " belongs to another version of Pivot"));
  }
  return ops;
}

std::string CpuName() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (line.starts_with("model name")) {
      return std::string(absl::StripAsciiWhitespace(absl::string_view(line).substr(line.find(':') + 1)));
    }
  }
  return "CPU";
}

int64_t HostMemoryBytes() { return int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGE_SIZE); }

absl::StatusOr<ComputeDevice> OpenGpu(const std::string& name) {
  int index = 0;
  if (!absl::SimpleAtoi(absl::StripPrefix(name, "cuda:"), &index) || index < 0 || index > 127) {
    return DeviceNotFound(absl::StrCat("\"", name, "\" is not a device; use cpu or cuda:0"));
  }
  PIVOT_ASSIGN_OR_RETURN(loaded_cuda_ops, LoadCudaOps());
  return CallTorch("opening the GPU", [&]() -> absl::StatusOr<ComputeDevice> {
    if (!at::hasCUDA() || at::detail::getCUDAHooks().deviceCount() <= index) {
      return DeviceNotFound(
          absl::StrCat("there is no GPU ", name, " on this machine, or its driver does not work; use --device cpu"));
    }
    ComputeDevice opened{.device = c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index)),
                         .name = "GPU"};
    int64_t free_bytes = 0;
    PIVOT_RETURN_IF_ERROR(StatusFromCuda(loaded_cuda_ops->memory(index, &free_bytes, &opened.memory_bytes),
                                         "asking for the GPU's memory"));
    opened.name = loaded_cuda_ops->device_name(index);
    return opened;
  });
}

}  // namespace

absl::StatusOr<ComputeDevice> OpenDevice(const std::string& name, int threads) {
  if (threads > 0) at::set_num_threads(threads);
  ComputeDevice device;
  if (name == "cpu") {
    device.name = CpuName();
    device.memory_bytes = HostMemoryBytes();
  } else {
    PIVOT_ASSIGN_OR_RETURN(device, OpenGpu(name));
  }
  device.threads = at::get_num_threads();
  return device;
}

const CudaOps* LoadedCudaOps() { return loaded_cuda_ops; }

absl::Status StatusFromCuda(int error, absl::string_view what) {
  if (error == 0) return absl::OkStatus();
  const std::string text =
      absl::StrCat(what, ": ", loaded_cuda_ops == nullptr ? "" : loaded_cuda_ops->error_text(error));
  if (error == kCudaOutOfMemory) return WithReason(absl::ResourceExhaustedError(text), "GPU_OUT_OF_MEMORY");
  return WithReason(absl::AbortedError(text), "DEVICE_FAULT");
}

MemoryUse MeasureMemory(const ComputeDevice& device) {
  MemoryUse use;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  use.peak_host_bytes = int64_t{usage.ru_maxrss} * 1024;
  std::ifstream statm("/proc/self/statm");
  int64_t total_pages = 0;
  int64_t resident_pages = 0;
  if (statm >> total_pages >> resident_pages) use.host_bytes = resident_pages * sysconf(_SC_PAGE_SIZE);
  if (device.device.is_cuda() && loaded_cuda_ops != nullptr) {
    use.gpu_bytes = loaded_cuda_ops->allocated(device.device.index());
    use.peak_gpu_bytes = loaded_cuda_ops->peak_allocated(device.device.index());
  }
  return use;
}

void ReturnFreeMemory() { malloc_trim(0); }

bool HasTileUnit() {
#if defined(__x86_64__) && (!defined(__clang_major__) || __clang_major__ >= 18)
  return __builtin_cpu_supports("amx-bf16") != 0;
#else
  return false;
#endif
}

ComputeDtype ResolveDtype(const ComputeDevice& device, ComputeDtype wanted) {
  if (wanted != ComputeDtype::kAutomatic) return wanted;
  if (device.device.is_cuda()) return ComputeDtype::kBfloat16;
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx512bf16")) return ComputeDtype::kBfloat16;
#endif
  return ComputeDtype::kFloat32;
}

}  // namespace pivot
