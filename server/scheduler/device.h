// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_SCHEDULER_DEVICE_H_
#define PIVOT_SERVER_SCHEDULER_DEVICE_H_

// What jobs can run on.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pivot {

inline constexpr char kCpuDevice[] = "cpu";

/// Runs one job at a time.
struct Device {
  std::string name;   // "cpu" or "cuda:N", N counted over the GPUs that this server may use
  std::string uuid;   // the driver's; empty for the CPU
  std::string model;  // as its maker calls it
  int64_t memory_bytes = 0;

  bool is_gpu() const { return !uuid.empty(); }
  /// Stays the device's own when others come and go: the key of its lease.
  const std::string& lease_key() const { return is_gpu() ? uuid : name; }
};

/// The GPUs among `gpus`, in the order of their PCI addresses, that CUDA_VISIBLE_DEVICES leaves visible, as CUDA reads
/// it: numbers or (beginnings of) uuids, ending at the first that names none; all when it is not set. Names are given
/// anew.
std::vector<Device> SelectVisible(absl::Span<const Device> gpus,
                                  const std::optional<std::string>& cuda_visible_devices);

inline constexpr char kNvmlLibrary[] = "libnvidia-ml.so.1";

/// The GPUs that the driver's NVML knows; none when the library is not there or does not answer.
std::vector<Device> FindGpus(const std::string& nvml_library = kNvmlLibrary);

/// Free memory of GPUs, as NVML sees it now. Keeps the library open: opening it takes long.
class GpuMemory {
 public:
  explicit GpuMemory(const std::string& nvml_library = kNvmlLibrary);
  GpuMemory(const GpuMemory&) = delete;
  GpuMemory& operator=(const GpuMemory&) = delete;
  ~GpuMemory();

  /// By uuid; GPUs that do not answer are left out. One thread at a time.
  std::map<std::string, int64_t> FreeBytes() const;

 private:
  std::unique_ptr<class Nvml> nvml_;
};

Device DescribeCpu();

}  // namespace pivot

#endif  // PIVOT_SERVER_SCHEDULER_DEVICE_H_
