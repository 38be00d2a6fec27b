// SPDX-License-Identifier: Apache-2.0
// The functions of libnvidia-ml.so.1 that the server calls, for a machine with two GPUs and one that does not answer.

#include <cstdint>
#include <cstdio>

#define PIVOT_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

constexpr int kSuccess = 0;
constexpr int kGpuIsLost = 15;
constexpr unsigned int kLostIndex = 1;

struct Memory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};

unsigned int IndexOf(const void* device) { return static_cast<unsigned int>(reinterpret_cast<uintptr_t>(device)) - 1; }

}  // namespace

PIVOT_EXPORT int nvmlInit_v2() { return kSuccess; }
PIVOT_EXPORT int nvmlShutdown() { return kSuccess; }

PIVOT_EXPORT int nvmlDeviceGetCount_v2(unsigned int* count) {
  *count = 3;
  return kSuccess;
}

PIVOT_EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void** device) {
  *device = reinterpret_cast<void*>(static_cast<uintptr_t>(index) + 1);
  return index == kLostIndex ? kGpuIsLost : kSuccess;
}

PIVOT_EXPORT int nvmlDeviceGetUUID(const void* device, char* uuid, unsigned int length) {
  std::snprintf(uuid, length, "GPU-%u", IndexOf(device));
  return kSuccess;
}

PIVOT_EXPORT int nvmlDeviceGetName(const void* /*device*/, char* name, unsigned int length) {
  std::snprintf(name, length, "Fake 80GB");
  return kSuccess;
}

PIVOT_EXPORT int nvmlDeviceGetMemoryInfo(const void* device, Memory* memory) {
  *memory = {80ULL << 30, (80ULL - IndexOf(device)) << 30, uint64_t{IndexOf(device)} << 30};
  return kSuccess;
}
