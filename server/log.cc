// SPDX-License-Identifier: Apache-2.0
#include "server/log.h"

#include <algorithm>
#include <climits>
#include <cstdint>
#include <mutex>
#include <poll.h>
#include <string>
#include <unistd.h>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace pivot {
namespace {

const char* SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "INFO";
    case Severity::kWarning:
      return "WARNING";
    case Severity::kError:
      return "ERROR";
  }
  return "ERROR";
}

constexpr int kPatienceMilliseconds = 100;

/// Whether PIPE_BUF bytes can be written without waiting for whoever reads them.
bool HasRoom(int patience_milliseconds) {
  pollfd wait{STDERR_FILENO, POLLOUT, 0};
  return poll(&wait, 1, patience_milliseconds) == 1 && (wait.revents & POLLOUT) != 0;
}

/// False when nothing of it was written.
bool WriteText(absl::string_view text) {
  for (bool begun = false; !text.empty(); begun = true) {
    // A line that was begun is worth a moment.
    if (!HasRoom(begun ? kPatienceMilliseconds : 0)) return begun;
    const ssize_t written = write(STDERR_FILENO, text.data(), std::min<size_t>(text.size(), PIPE_BUF));
    if (written < 0) return begun;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

std::string FormatLine(Severity severity, absl::string_view event, std::initializer_list<LogField> fields) {
  nlohmann::ordered_json line{{"time", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone())},
                              {"severity", SeverityName(severity)},
                              {"event", std::string(event)}};
  for (const LogField& field : fields) {
    std::visit([&](const auto& value) { line[std::string(field.name)] = value; }, field.value);
  }
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

void Log(Severity severity, absl::string_view event, std::initializer_list<LogField> fields) {
  static std::mutex mutex;
  static int64_t lost = 0;
  const std::string line = FormatLine(severity, event, fields);
  const std::lock_guard lock(mutex);
  const bool tells_of_lost = lost > 0 && WriteText(FormatLine(Severity::kWarning, "log_lines_lost", {{"count", lost}}));
  if (tells_of_lost) lost = 0;
  if (lost > 0 || !WriteText(line)) ++lost;
}

}  // namespace pivot
