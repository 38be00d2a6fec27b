// SPDX-License-Identifier: Apache-2.0
#include "sources/http/retry.h"

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace pivot::http {
namespace {

TEST(RetryTest, DelaysDoubleUpToALongest) {
  Retry retry({.max_failures = 5, .first = absl::Milliseconds(100), .longest = absl::Milliseconds(300)});
  for (const int bound : {100, 200, 300, 300, 300}) {
    EXPECT_FALSE(retry.IsSpent());
    const absl::Duration delay = retry.Next();
    EXPECT_GE(delay, absl::Milliseconds(bound) / 2);
    EXPECT_LE(delay, absl::Milliseconds(bound));
  }
  EXPECT_TRUE(retry.IsSpent());
  retry.Reset();
  EXPECT_FALSE(retry.IsSpent());
  EXPECT_LE(retry.Next(), absl::Milliseconds(100));
}

TEST(RetryTest, ReadsSecondsAndDates) {
  EXPECT_EQ(AskedDelay({.status = 429, .fields = {{"retry-after", "7"}}}), absl::Seconds(7));
  EXPECT_EQ(AskedDelay({.status = 429, .fields = {{"retry-after", "-7"}}}), absl::ZeroDuration());
  EXPECT_EQ(AskedDelay({.status = 429, .fields = {{"retry-after", "later"}}}), absl::ZeroDuration());
  EXPECT_EQ(AskedDelay({.status = 429, .fields = {}}), absl::ZeroDuration());
  const std::string date =
      absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", absl::Now() + absl::Minutes(2), absl::UTCTimeZone());
  const absl::Duration delay = AskedDelay({.status = 503, .fields = {{"retry-after", date}}});
  EXPECT_GT(delay, absl::Seconds(110));
  EXPECT_LE(delay, absl::Seconds(120));
}

TEST(RetryTest, KnowsWhatPasses) {
  for (const int status : {408, 429, 500, 502, 503, 504}) EXPECT_TRUE(IsPassing(status)) << status;
  for (const int status : {200, 206, 302, 400, 401, 403, 404, 416, 501}) EXPECT_FALSE(IsPassing(status)) << status;
}

TEST(RetryTest, PaceNeverMovesBack) {
  Pace pace;
  const absl::Time later = absl::Now() + absl::Seconds(5);
  pace.WaitUntil(later);
  pace.WaitUntil(later - absl::Seconds(3));
  EXPECT_EQ(pace.next(), later);
}

}  // namespace
}  // namespace pivot::http
