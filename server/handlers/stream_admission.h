// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_HANDLERS_STREAM_ADMISSION_H_
#define PIVOT_SERVER_HANDLERS_STREAM_ADMISSION_H_

// A stream's right to begin, its place among the open ones, and its right to go on.

#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "server/handlers/stream_slots.h"
#include "server/identity/access.h"
#include "server/identity/credentials.h"
#include "server/identity/identity.h"

namespace pivot {

/// Of one stream, which moves it into itself; one thread at a time.
class StreamAdmission {
 public:
  using Clock = std::chrono::steady_clock;

  struct Gate {
    const Identity* identity;
    StreamSlots* slots;
    absl::Duration check_interval;
  };

  /// Authorizes the call, then takes a slot.
  StreamAdmission(const Gate& gate, Credentials credentials, Verb verb, absl::string_view resource, StreamKind kind);

  /// Not OK: the stream ends with this at once.
  const absl::Status& status() const { return access_.status; }
  const Access& access() const { return access_; }

  /// Authorizes once more if the last time is an interval ago: a token may have ended or been taken away since.
  absl::Status CheckAgain();

 private:
  const Identity* identity_;
  Clock::duration check_interval_;
  Credentials credentials_;
  std::string resource_;
  Access access_;
  StreamSlot slot_;
  Clock::time_point checked_ = Clock::now();
};

}  // namespace pivot

#endif  // PIVOT_SERVER_HANDLERS_STREAM_ADMISSION_H_
