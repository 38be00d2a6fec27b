// SPDX-License-Identifier: Apache-2.0
#include "proto/files/crash_point.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>
#include <unistd.h>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace pivot {
namespace {

struct Armed {
  std::string name;  // empty: none
  int count = 1;
};

Armed ReadArmed() {
  const char* text = std::getenv("PIVOT_CRASH_POINT");
  if (text == nullptr) return {};
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  Armed armed{.name = parts.first};
  if (!parts.second.empty() && !absl::SimpleAtoi(parts.second, &armed.count)) return {};
  return armed;
}

bool Matches(absl::string_view wanted, absl::string_view name, absl::string_view kind) {
  if (kind.empty()) return wanted == name;
  return absl::ConsumePrefix(&wanted, name) && absl::ConsumePrefix(&wanted, ".") && wanted == kind;
}

}  // namespace

void ReachCrashPoint(absl::string_view name, absl::string_view kind) {
  static const Armed armed = ReadArmed();
  static std::atomic<int> reached = 0;
  if (armed.name.empty() || !Matches(armed.name, name, kind)) return;
  if (++reached == armed.count) kill(getpid(), SIGKILL);
}

}  // namespace pivot
