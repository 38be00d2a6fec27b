// SPDX-License-Identifier: Apache-2.0
#include "server/worker/watchdog.h"

#include <algorithm>

namespace pivot {

void Watchdog::EndExpected(Clock::time_point now) {
  listening_ = false;
  KillBy(now + limits_.terminate_grace);
}

void Watchdog::KillBy(Clock::time_point time) { kill_at_ = kill_at_.has_value() ? std::min(*kill_at_, time) : time; }

Watchdog::Order Watchdog::Check(Clock::time_point now) {
  if (killed_) return Order::kNone;
  if (kill_at_.has_value() && now >= *kill_at_) {
    killed_ = true;
    return Order::kKill;
  }
  if (terminated_) return Order::kNone;
  if (ask_at_.has_value() && now >= *ask_at_) {
    ask_at_.reset();
    return Order::kAsk;
  }
  const bool silent = listening_ && now - last_frame_ >= limits_.silence;
  const bool stuck = listening_ && now - last_work_ >= limits_.stuck;
  if (!stop_ && !silent && !stuck) return Order::kNone;
  if (!stop_) verdict_ = silent ? Verdict::kSilent : Verdict::kStuck;
  terminated_ = true;
  KillBy(now + limits_.terminate_grace);
  return Order::kTerminate;
}

Watchdog::Clock::time_point Watchdog::next_check() const {
  Clock::time_point next = Clock::time_point::max();
  if (killed_) return next;
  if (stop_ && !terminated_) return Clock::time_point::min();
  if (kill_at_.has_value()) next = *kill_at_;
  if (ask_at_.has_value() && !terminated_) next = std::min(next, *ask_at_);
  if (listening_ && !terminated_) next = std::min({next, last_frame_ + limits_.silence, last_work_ + limits_.stuck});
  return next;
}

}  // namespace pivot
