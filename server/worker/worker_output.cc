// SPDX-License-Identifier: Apache-2.0
#include "server/worker/worker_output.h"

#include <array>
#include <cerrno>
#include <unistd.h>

#include "proto/files/crash_point.h"

namespace pivot {
namespace {

constexpr size_t kReadBytes = size_t{64} << 10;
constexpr int kReadsAtOnce = 4;
constexpr int kRoundsAtTheEnd = 8;  // 2 MiB, more than a pipe holds

}  // namespace

WorkerOutput::Came WorkerOutput::Read(Clock::time_point now) {
  const int64_t bytes = Take();
  pace_.Took(bytes, now);
  return bytes > 0 ? Came::kSomething : Came::kNothing;
}

int64_t WorkerOutput::Take() {
  std::array<char, kReadBytes> buffer{};
  int64_t bytes = 0;
  for (int i = 0; i < kReadsAtOnce && pipe_.valid(); ++i) {
    const ssize_t count = read(pipe_.get(), buffer.data(), buffer.size());
    if (count > 0) {
      log_.Append({buffer.data(), static_cast<size_t>(count)});
      bytes += count;
      continue;
    }
    if (count == 0 || (errno != EAGAIN && errno != EINTR)) pipe_.Close();
    break;
  }
  return bytes;
}

WorkerOutput::Came WorkerOutput::Finish() {
  Came came = Came::kNothing;
  for (int i = 0; i < kRoundsAtTheEnd && Take() > 0; ++i) came = Came::kSomething;
  pipe_.Close();
  PIVOT_CRASH_POINT("log.finished");
  return came;
}

}  // namespace pivot
