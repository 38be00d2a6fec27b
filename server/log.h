// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_LOG_H_
#define PIVOT_SERVER_LOG_H_

// The server's log: one JSON object a line on stderr.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pivot {

enum class Severity { kInfo, kWarning, kError };

struct LogField {
  absl::string_view name;
  std::variant<std::string, int64_t> value;

  LogField(absl::string_view field, std::string text) : name(field), value(std::move(text)) {}
  LogField(absl::string_view field, absl::string_view text) : name(field), value(std::string(text)) {}
  LogField(absl::string_view field, const char* text) : name(field), value(std::string(text)) {}
  LogField(absl::string_view field, int number) : name(field), value(int64_t{number}) {}
  LogField(absl::string_view field, int64_t number) : name(field), value(number) {}
  LogField(absl::string_view field, const absl::Status& status) : name(field), value(std::string(status.message())) {}
};

/// {"time", "severity", "event", fields...}. Any thread; lines do not mix. Nobody waits for a reader who does not read:
/// lines that find no room are left out, and counted in a line log_lines_lost once there is some.
void Log(Severity severity, absl::string_view event, std::initializer_list<LogField> fields = {});

}  // namespace pivot

#endif  // PIVOT_SERVER_LOG_H_
