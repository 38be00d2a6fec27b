// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_HANDLERS_HEARTBEATS_H_
#define PIVOT_SERVER_HANDLERS_HEARTBEATS_H_

// When a stream that has nothing to say must say that it is still there.

#include <memory>

#include "absl/time/time.h"

#include "server/hub.h"
#include "server/timer_queue.h"

namespace pivot {

/// Of one stream; one thread at a time.
class Heartbeats {
 public:
  using Clock = TimerQueue::Clock;

  Heartbeats(TimerQueue* timers, absl::Duration interval)
      : timers_(timers), interval_(absl::ToChronoNanoseconds(interval)) {}

  /// A message goes out.
  void Sent() { last_message_ = Clock::now(); }

  /// True: it is time for one. False: `stream` is woken when it is.
  bool IsDue(const std::weak_ptr<Watcher>& stream);

 private:
  TimerQueue* const timers_;
  const Clock::duration interval_;
  Clock::time_point last_message_ = Clock::now();
  Clock::time_point timer_ = Clock::time_point::min();  // of the one timer that is under way
};

}  // namespace pivot

#endif  // PIVOT_SERVER_HANDLERS_HEARTBEATS_H_
