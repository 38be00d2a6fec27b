// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler/device.h"

#include <fstream>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace pivot {
namespace {

const Device* FindNamed(absl::Span<const Device> gpus, absl::string_view name) {
  size_t index = 0;
  if (absl::SimpleAtoi(name, &index)) return index < gpus.size() ? &gpus[index] : nullptr;
  if (name.empty()) return nullptr;
  for (const Device& gpu : gpus) {
    if (absl::StartsWith(gpu.uuid, name)) return &gpu;
  }
  return nullptr;
}

std::string CpuModel() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 1));
    if (parts.size() == 2 && absl::StartsWith(line, "model name"))
      return std::string(absl::StripAsciiWhitespace(parts[1]));
  }
  return "CPU";
}

}  // namespace

std::vector<Device> SelectVisible(absl::Span<const Device> gpus,
                                  const std::optional<std::string>& cuda_visible_devices) {
  std::vector<Device> visible;
  if (!cuda_visible_devices.has_value()) {
    visible.assign(gpus.begin(), gpus.end());
  } else {
    for (const absl::string_view name : absl::StrSplit(*cuda_visible_devices, ',')) {
      const Device* gpu = FindNamed(gpus, absl::StripAsciiWhitespace(name));
      if (gpu == nullptr) break;
      visible.push_back(*gpu);
    }
  }
  for (size_t i = 0; i < visible.size(); ++i) visible[i].name = absl::StrCat("cuda:", i);
  return visible;
}

Device DescribeCpu() {
  return {.name = kCpuDevice,
          .model = CpuModel(),
          .memory_bytes = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE)};
}

}  // namespace pivot
