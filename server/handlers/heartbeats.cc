// SPDX-License-Identifier: Apache-2.0
#include "server/handlers/heartbeats.h"

namespace pivot {

bool Heartbeats::IsDue(const std::weak_ptr<Watcher>& stream) {
  const auto now = Clock::now();
  const auto due = last_message_ + interval_;
  if (now >= due) return true;
  // A timer that comes too early looks again and sets the next.
  if (timer_ > now) return false;
  timer_ = due;
  timers_->At(due, [stream] {
    if (const auto live = stream.lock()) live->Wake();
  });
  return false;
}

}  // namespace pivot
