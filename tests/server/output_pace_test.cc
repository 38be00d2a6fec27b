// SPDX-License-Identifier: Apache-2.0
#include "server/worker/output_pace.h"

#include <array>
#include <fcntl.h>
#include <string>
#include <unistd.h>

#include "gtest/gtest.h"

#include "server/worker/worker_output.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using Clock = OutputPace::Clock;
using std::chrono::seconds;

constexpr PaceLimits kLimits{.bytes_a_second = 100, .burst_bytes = 1000};

TEST(OutputPaceTest, TakesABurstAtOnce) {
  const Clock::time_point start(seconds(1000));
  OutputPace pace(kLimits, start);
  EXPECT_LE(pace.next(), start);
  pace.Took(1000, start);
  EXPECT_LE(pace.next(), start);
}

TEST(OutputPaceTest, MakesTheRestWait) {
  const Clock::time_point start(seconds(1000));
  OutputPace pace(kLimits, start);
  pace.Took(1500, start);
  EXPECT_EQ(pace.next(), start + seconds(5));
  pace.Took(100, start + seconds(5));
  EXPECT_EQ(pace.next(), start + seconds(6));
}

TEST(OutputPaceTest, TakesABurstAgainAfterSilence) {
  const Clock::time_point start(seconds(1000));
  OutputPace pace(kLimits, start);
  pace.Took(1500, start);
  const auto later = start + seconds(3600);
  pace.Took(1000, later);
  EXPECT_LE(pace.next(), later);
  pace.Took(1, later);
  EXPECT_GT(pace.next(), later) << "an hour's silence is worth one burst";
}

TEST(WorkerOutputTest, LetsAPipeBeWhenItsBurstIsSpent) {
  const TemporaryFolder folder;
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd writer(ends[1]);
  WorkerOutput output(folder / "log");
  output.Begin(UniqueFd(ends[0]));
  const auto now = Clock::now();
  const std::string bytes(size_t{32} << 10, 'x');
  int64_t written = 0;
  for (int i = 0; i < 10000 && output.fd(now) >= 0; ++i) {
    written += write(writer.get(), bytes.data(), bytes.size());
    output.Read(now);
  }
  EXPECT_EQ(output.fd(now), -1);
  EXPECT_GT(output.next_read(), now);
  EXPECT_GT(written, PaceLimits{}.burst_bytes);
  EXPECT_LT(written, PaceLimits{}.burst_bytes + (1 << 20));
  EXPECT_GE(output.fd(output.next_read()), 0) << "later it is read again";
  ASSERT_GT(write(writer.get(), "the end", 7), 0);
  EXPECT_EQ(output.Finish(), WorkerOutput::Came::kSomething) << "what a dead worker wrote is taken at once";
  EXPECT_EQ(output.Tail().substr(output.Tail().size() - 7), "the end");
}

}  // namespace
}  // namespace pivot
