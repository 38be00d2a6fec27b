// SPDX-License-Identifier: Apache-2.0
// The few functions of NVML that tell which GPUs there are. Debian has no header for it, and a server without a GPU has
// no library, so both are dealt with here.
#include <algorithm>
#include <array>
#include <dlfcn.h>
#include <utility>

#include "server/scheduler/device.h"

namespace pivot {
namespace {

using NvmlDevice = struct NvmlDeviceHandle*;
constexpr int kSuccess = 0;
constexpr size_t kNameBytes = 96;  // the library's own buffers have 96 bytes for each kind of name

struct NvmlMemory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};

}  // namespace

class Nvml {
 public:
  explicit Nvml(const std::string& library) : library_(dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (library_ == nullptr) return;
    const bool complete = Load("nvmlInit_v2", init_) && Load("nvmlShutdown", shutdown_) &&
                          Load("nvmlDeviceGetCount_v2", count_) && Load("nvmlDeviceGetHandleByIndex_v2", handle_) &&
                          Load("nvmlDeviceGetUUID", uuid_) && Load("nvmlDeviceGetName", name_) &&
                          Load("nvmlDeviceGetMemoryInfo", memory_);
    ready_ = complete && init_() == kSuccess;
  }
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;
  ~Nvml() {
    if (ready_) shutdown_();
    if (library_ != nullptr) dlclose(library_);
  }

  unsigned int NumDevices() const {
    unsigned int count = 0;
    return ready_ && count_(&count) == kSuccess ? count : 0;
  }

  /// Empty uuid: the device does not answer, and cannot be used.
  Device Describe(unsigned int index, int64_t* free_bytes = nullptr) const {
    NvmlDevice handle = nullptr;
    std::array<char, kNameBytes> uuid{};
    std::array<char, kNameBytes> name{};
    NvmlMemory memory{};
    const bool known = handle_(index, &handle) == kSuccess && uuid_(handle, uuid.data(), kNameBytes) == kSuccess &&
                       name_(handle, name.data(), kNameBytes) == kSuccess && memory_(handle, &memory) == kSuccess;
    if (!known) return {};
    if (free_bytes != nullptr) *free_bytes = static_cast<int64_t>(memory.free);
    return {.uuid = uuid.data(), .model = name.data(), .memory_bytes = static_cast<int64_t>(memory.total)};
  }

 private:
  template <typename Function>
  bool Load(const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(library_, name));
    return function != nullptr;
  }

  void* library_;
  bool ready_ = false;
  int (*init_)() = nullptr;
  int (*shutdown_)() = nullptr;
  int (*count_)(unsigned int*) = nullptr;
  int (*handle_)(unsigned int, NvmlDevice*) = nullptr;
  int (*uuid_)(NvmlDevice, char*, unsigned int) = nullptr;
  int (*name_)(NvmlDevice, char*, unsigned int) = nullptr;
  int (*memory_)(NvmlDevice, NvmlMemory*) = nullptr;
};

std::vector<Device> FindGpus(const std::string& nvml_library) {
  const Nvml nvml(nvml_library);
  std::vector<Device> gpus;
  for (unsigned int i = 0; i < nvml.NumDevices(); ++i) {
    Device gpu = nvml.Describe(i);
    if (!gpu.uuid.empty()) gpus.push_back(std::move(gpu));
  }
  return gpus;
}

GpuMemory::GpuMemory(const std::string& nvml_library) : nvml_(std::make_unique<Nvml>(nvml_library)) {}

GpuMemory::~GpuMemory() = default;

std::map<std::string, int64_t> GpuMemory::FreeBytes() const {
  std::map<std::string, int64_t> free;
  for (unsigned int i = 0; i < nvml_->NumDevices(); ++i) {
    int64_t free_bytes = 0;
    const Device gpu = nvml_->Describe(i, &free_bytes);
    if (!gpu.uuid.empty()) free[gpu.uuid] = free_bytes;
  }
  return free;
}

}  // namespace pivot
