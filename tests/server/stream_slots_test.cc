// SPDX-License-Identifier: Apache-2.0
#include "server/handlers/stream_slots.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "server/errors.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

TEST(StreamSlotsTest, CountsEachPrincipalAndTheServer) {
  StreamSlots slots({.watchers = 3, .watchers_per_principal = 2, .data_streams = 1, .data_streams_per_principal = 1});
  std::vector<StreamSlot> taken;
  const auto take = [&](StreamKind kind, const std::string& principal) {
    auto slot = slots.Take(kind, principal);
    const absl::Status status = slot.status();
    if (slot.ok()) taken.push_back(*std::move(slot));
    if (status.ok()) return std::string();
    EXPECT_GT(RetryDelayOf(status), absl::ZeroDuration());
    return ReasonOf(status);
  };
  EXPECT_EQ(take(StreamKind::kWatch, "a"), "");
  EXPECT_EQ(take(StreamKind::kWatch, "a"), "");
  EXPECT_EQ(take(StreamKind::kWatch, "a"), "QUOTA_EXCEEDED");
  EXPECT_EQ(take(StreamKind::kWatch, "b"), "");
  EXPECT_EQ(take(StreamKind::kWatch, "c"), "SERVER_BUSY");
  EXPECT_EQ(take(StreamKind::kData, "a"), "") << "kinds count apart";
  taken.erase(taken.begin());
  EXPECT_EQ(take(StreamKind::kWatch, "a"), "") << "a place that was given back";
}

TEST(StreamSlotsTest, HoldsTheNamelessToTheServersLimitAlone) {
  StreamSlots slots({.watchers = 2, .watchers_per_principal = 1});
  const auto first = slots.Take(StreamKind::kWatch, "");
  const auto second = slots.Take(StreamKind::kWatch, "");
  EXPECT_OK(first);
  EXPECT_OK(second);
  EXPECT_EQ(ReasonOf(slots.Take(StreamKind::kWatch, "").status()), "SERVER_BUSY");
}

}  // namespace
}  // namespace pivot
