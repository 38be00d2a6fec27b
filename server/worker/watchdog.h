// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_WORKER_WATCHDOG_H_
#define PIVOT_SERVER_WORKER_WATCHDOG_H_

// Decides when a worker must be ended. Pure: it is told the time.

#include <chrono>
#include <optional>

namespace pivot {

struct WatchdogLimits {
  std::chrono::milliseconds silence = std::chrono::seconds(30);  // without any frame
  std::chrono::milliseconds stuck = std::chrono::minutes(30);    // with heartbeats, but nothing gets done
  std::chrono::milliseconds terminate_grace =
      std::chrono::seconds(10);                                       // from SIGTERM, or its own last frame, to SIGKILL
  std::chrono::milliseconds cancel_grace = std::chrono::seconds(30);  // from the Cancel frame to SIGKILL
};

class Watchdog {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Order { kNone, kAsk, kTerminate, kKill };
  enum class Verdict { kNone, kSilent, kStuck };

  Watchdog(const WatchdogLimits& limits, Clock::time_point now) : limits_(limits), last_frame_(now), last_work_(now) {}

  void FrameCame(Clock::time_point now) { last_frame_ = now; }
  void WorkDone(Clock::time_point now) { last_work_ = now; }
  void CancelSent(Clock::time_point now) { KillBy(now + limits_.cancel_grace); }
  /// At that time it is to be asked to end.
  void MayRunUntil(Clock::time_point time) { ask_at_ = time; }
  /// It has said its last word, or cannot say any more; it should end by itself.
  void EndExpected(Clock::time_point now);
  /// It shall end now.
  void Stop() { stop_ = true; }

  /// What to do. Each order is given once.
  Order Check(Clock::time_point now);

  /// When Check() may have something new to say.
  Clock::time_point next_check() const;

  /// Why it was terminated, if by this.
  Verdict verdict() const { return verdict_; }

 private:
  void KillBy(Clock::time_point time);

  WatchdogLimits limits_;
  Clock::time_point last_frame_;
  Clock::time_point last_work_;
  bool listening_ = true;  // frames are still expected
  bool stop_ = false;
  bool terminated_ = false;
  bool killed_ = false;
  std::optional<Clock::time_point> ask_at_;
  std::optional<Clock::time_point> kill_at_;
  Verdict verdict_ = Verdict::kNone;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_WORKER_WATCHDOG_H_
