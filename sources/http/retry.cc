// SPDX-License-Identifier: Apache-2.0
#include "sources/http/retry.h"

#include <algorithm>
#include <curl/curl.h>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"

namespace pivot::http {
namespace {

constexpr int kMaxDoublings = 16;

}  // namespace

bool IsPassing(int status) {
  constexpr int kPassing[] = {408, 429, 500, 502, 503, 504};
  return std::find(std::begin(kPassing), std::end(kPassing), status) != std::end(kPassing);
}

absl::Duration AskedDelay(const Head& head) {
  const std::string text = head.Field("retry-after");
  int64_t seconds = 0;
  if (absl::SimpleAtoi(text, &seconds)) return std::max(absl::Seconds(seconds), absl::ZeroDuration());
  const time_t date = text.empty() ? -1 : curl_getdate(text.c_str(), nullptr);
  return date < 0 ? absl::ZeroDuration() : std::max(absl::FromTimeT(date) - absl::Now(), absl::ZeroDuration());
}

void Pace::WaitUntil(absl::Time time) {
  const std::lock_guard lock(mutex_);
  next_ = std::max(next_, time);
}

absl::Time Pace::next() const {
  const std::lock_guard lock(mutex_);
  return next_;
}

absl::Duration Retry::Next() {
  const absl::Duration bound =
      std::min(options_.first * (int64_t{1} << std::min(failures_, kMaxDoublings)), options_.longest);
  ++failures_;
  return bound * std::uniform_real_distribution<double>(0.5, 1.0)(random_);
}

}  // namespace pivot::http
