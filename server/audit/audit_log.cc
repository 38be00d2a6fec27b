// SPDX-License-Identifier: Apache-2.0
#include "server/audit/audit_log.h"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include "absl/time/clock.h"
#include "nlohmann/json.hpp"

#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"
#include "server/log.h"

namespace pivot {
namespace {

constexpr std::chrono::seconds kSyncInterval(1);
constexpr absl::Duration kComplaintInterval = absl::Minutes(1);

absl::StatusOr<UniqueFd> OpenFile(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) return StatusFromErrno(errno, "cannot open", path);
  return file;
}

/// 0, or what went wrong; `written` says how far it came.
int WriteAll(int fd, const std::string& text, size_t* written) {
  *written = 0;
  while (*written < text.size()) {
    const ssize_t count = write(fd, text.data() + *written, text.size() - *written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    *written += static_cast<size_t>(count);
  }
  return 0;
}

}  // namespace

std::string AuditLine(const AuditEntry& entry) {
  nlohmann::ordered_json line{{"time", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", entry.time, absl::UTCTimeZone())},
                              {"principal", entry.principal},
                              {"peer", entry.peer},
                              {"method", entry.method},
                              {"resource", entry.resource},
                              {"request_id", entry.request_id},
                              {"code", CodeName(entry.status.code())}};
  if (!entry.status.ok()) line["reason"] = ReasonOf(entry.status);
  line["bytes"] = entry.bytes;
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

absl::StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(Options options) {
  PIVOT_ASSIGN_OR_RETURN(UniqueFd file, OpenFile(options.path));
  return std::unique_ptr<AuditLog>(new AuditLog(std::move(options), std::move(file)));
}

AuditLog::AuditLog(Options options, UniqueFd file)
    : options_(std::move(options)), file_(std::move(file)), thread_([this] { Run(); }) {}

AuditLog::~AuditLog() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void AuditLog::Record(const AuditEntry& entry) {
  std::string line = AuditLine(entry);
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= options_.max_waiting) {
      ++overflown_;
      return;
    }
    waiting_.push_back(std::move(line));
  }
  changed_.notify_one();
}

absl::Status AuditLog::Reopen() {
  std::vector<std::string> before;
  const std::lock_guard file_lock(file_mutex_);
  {
    const std::lock_guard lock(mutex_);
    before.swap(waiting_);
  }
  Write(before);
  PIVOT_ASSIGN_OR_RETURN(UniqueFd file, OpenFile(options_.path));
  if (fdatasync(file_.get()) != 0) Lose(0, StatusFromErrno(errno, "cannot sync", options_.path));
  file_ = std::move(file);
  torn_ = false;
  return absl::OkStatus();
}

void AuditLog::Run() {
  auto synced = std::chrono::steady_clock::now();
  bool unsynced = false;
  while (true) {
    std::unique_lock lock(mutex_);
    const auto has_work = [this] { return stopped_ || !waiting_.empty() || overflown_ > 0; };
    unsynced ? changed_.wait_until(lock, synced + kSyncInterval, has_work) : (changed_.wait(lock, has_work), true);
    const bool last = stopped_;
    const int64_t overflown = std::exchange(overflown_, 0);
    lock.unlock();
    const std::lock_guard file_lock(file_mutex_);
    // Taken with the file in hand: what Reopen() writes to the old one comes before it.
    std::vector<std::string> lines;
    lock.lock();
    lines.swap(waiting_);
    lock.unlock();
    if (overflown > 0) Lose(overflown, absl::ResourceExhaustedError("lines come faster than the disk takes them"));
    unsynced = unsynced || !lines.empty();
    Write(lines);
    const auto now = std::chrono::steady_clock::now();
    if (unsynced && (last || now >= synced + kSyncInterval)) {
      if (fdatasync(file_.get()) != 0) Lose(0, StatusFromErrno(errno, "cannot sync", options_.path));
      synced = now;
      unsynced = false;
    }
    if (last) return;
  }
}

void AuditLog::Write(const std::vector<std::string>& lines) {
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string text = torn_ ? "\n" + lines[i] : lines[i];
    size_t written = 0;
    const int error = WriteAll(file_.get(), text, &written);
    torn_ = error == 0 ? false : torn_ || written > 0;
    if (error == 0) continue;
    Lose(static_cast<int64_t>(lines.size() - i), StatusFromErrno(error, "cannot write", options_.path));
    return;
  }
}

void AuditLog::Lose(int64_t lines, const absl::Status& why) {
  if (options_.lost) options_.lost(lines);
  const absl::Time now = absl::Now();
  if (now < complained_ + kComplaintInterval) return;
  complained_ = now;
  Log(Severity::kError, "audit_lines_lost", {{"lines", lines}, {"error", why}});
}

}  // namespace pivot
