// SPDX-License-Identifier: Apache-2.0
#include "engine/model/mapped_changes.h"

#include <array>
#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <mutex>
#include <optional>
#include <thread>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/status/reason.h"

namespace pivot {

struct Mapping {
  // A signal handler reads these: `begin` is 0 where no file is mapped, and is set last.
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0};
  Mapping* next = nullptr;

  std::string path;
  struct stat opened{};
};

namespace {

std::atomic<Mapping*> all_mappings{nullptr};
std::atomic<int> bus_errors_fd{-1};

/// Guards all that handlers do not read.
std::mutex& ListMutex() {
  static std::mutex& mutex = *new std::mutex();
  return mutex;
}

/// Of files that are no longer mapped, the first that had changed.
std::optional<std::string>& FirstChanged() {
  static std::optional<std::string>& path = *new std::optional<std::string>();
  return path;
}

/// A file that was removed, or that another one has taken the name of, is still mapped as it was.
bool HasChanged(const Mapping& mapping) {
  struct stat now{};
  if (stat(mapping.path.c_str(), &now) != 0) return false;
  const struct stat& then = mapping.opened;
  if (now.st_dev != then.st_dev || now.st_ino != then.st_ino) return false;
  return now.st_size != then.st_size || now.st_mtim.tv_sec != then.st_mtim.tv_sec ||
         now.st_mtim.tv_nsec != then.st_mtim.tv_nsec;
}

absl::Status Changed(const std::string& path) {
  return WithReason(absl::FailedPreconditionError(absl::StrCat(
                        path, " changed while it was read; start again when nothing writes to the model any more")),
                    "SOURCE_CHANGED");
}

absl::Status DiskFailed(const std::string& path) {
  return absl::UnavailableError(absl::StrCat("cannot read ", path, ": its disk reports an error"));
}

Mapping* FindMapping(uintptr_t address) {
  for (Mapping* mapping = all_mappings.load(); mapping != nullptr; mapping = mapping->next) {
    const uintptr_t begin = mapping->begin.load();
    if (begin != 0 && address >= begin && address < mapping->end.load()) return mapping;
  }
  return nullptr;
}

/// Only what a handler may do. The thread that reports needs this one's locks no more than it would while it works.
void OnBusError(int signal_number, siginfo_t* info, void* /*context*/) {
  Mapping* mapping = FindMapping(reinterpret_cast<uintptr_t>(info->si_addr));
  const int fd = bus_errors_fd.load();
  if (mapping == nullptr || write(fd, &mapping, sizeof(mapping)) != static_cast<ssize_t>(sizeof(mapping))) {
    signal(signal_number, SIG_DFL);  // the read is tried again, and ends the process
    return;
  }
  while (true) pause();
}

void ReportFrom(int fd, const std::function<void(const absl::Status&)>& report) {
  Mapping* mapping = nullptr;
  while (read(fd, &mapping, sizeof(mapping)) != static_cast<ssize_t>(sizeof(mapping))) {
  }
  const absl::Status changed = CheckMappedFiles();
  report(changed.ok() ? DiskFailed(mapping->path) : changed);
}

}  // namespace

Mapping* AddMapping(const std::string& path, const void* data, const struct stat& info) {
  const std::lock_guard<std::mutex> lock(ListMutex());
  Mapping* mapping = all_mappings.load();
  while (mapping != nullptr && mapping->begin.load() != 0) mapping = mapping->next;
  const bool is_new = mapping == nullptr;
  if (is_new) mapping = new Mapping();
  mapping->path = path;
  mapping->opened = info;
  const auto begin = reinterpret_cast<uintptr_t>(data);
  mapping->end = begin + static_cast<uintptr_t>(info.st_size);
  mapping->begin = begin;
  if (is_new) {
    mapping->next = all_mappings.load();
    all_mappings = mapping;
  }
  return mapping;
}

void RemoveMapping(Mapping* mapping) {
  const std::lock_guard<std::mutex> lock(ListMutex());
  if (!FirstChanged().has_value() && HasChanged(*mapping)) FirstChanged() = mapping->path;
  mapping->begin = 0;
}

absl::Status CheckMappedFiles() {
  const std::lock_guard<std::mutex> lock(ListMutex());
  if (FirstChanged().has_value()) return Changed(*FirstChanged());
  for (const Mapping* mapping = all_mappings.load(); mapping != nullptr; mapping = mapping->next) {
    if (mapping->begin.load() != 0 && HasChanged(*mapping)) return Changed(mapping->path);
  }
  return absl::OkStatus();
}

void ReportBusErrors(std::function<void(const absl::Status&)> report) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return;  // SIGBUS then ends the process as it does by itself
  bus_errors_fd = ends[1];
  std::thread([fd = ends[0], report = std::move(report)] { ReportFrom(fd, report); }).detach();
  struct sigaction action{};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace pivot
