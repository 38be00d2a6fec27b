// SPDX-License-Identifier: Apache-2.0
#include "server/worker/attempt_log.h"

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

constexpr LogLimits kSmall{.file_bytes = 10, .max_files = 3};

/// The byte at each offset tells where it is.
std::string Numbered(int64_t begin, int64_t end) {
  std::string bytes;
  for (int64_t offset = begin; offset < end; ++offset) bytes += static_cast<char>('0' + offset % 75);
  return bytes;
}

class AttemptLogTest : public ::testing::Test {
 protected:
  LogPiece Read(int64_t offset, int64_t max_bytes = 1000) {
    const auto piece = ReadLog(log_, offset, max_bytes);
    EXPECT_OK(piece);
    return piece.value_or(LogPiece{});
  }

  /// What a reader with this window gets from `offset` on: text, with a '|' for each gap.
  std::string ReadAll(int64_t offset, int64_t max_bytes) {
    std::string text;
    while (true) {
      const LogPiece piece = Read(offset, max_bytes);
      if (piece.bytes.empty()) return text;
      if (piece.offset > offset) text += '|';
      text += piece.bytes;
      offset = piece.offset + static_cast<int64_t>(piece.bytes.size());
    }
  }

  size_t NumFiles() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(log_), std::filesystem::directory_iterator()));
  }

  TemporaryFolder folder_;
  std::string log_ = folder_ / "logs/uid/1";
};

TEST_F(AttemptLogTest, GivesBackWhatWasWrittenFromEveryOffset) {
  LogWriter writer(log_, kSmall);
  for (const int64_t end : {1, 4, 9, 17, 29}) writer.Append(Numbered(writer.num_bytes(), end));
  EXPECT_EQ(NumFiles(), 3U);
  for (int64_t offset = 0; offset <= 29; ++offset) {
    for (const int64_t window : {1, 3, 10, 1000}) EXPECT_EQ(ReadAll(offset, window), Numbered(offset, 29));
  }
  EXPECT_EQ(Read(29).end, 29);
  EXPECT_EQ(Read(29).bytes, "");
}

TEST_F(AttemptLogTest, KeepsTheFirstFileAndTheNewestOnes) {
  LogWriter writer(log_, kSmall);
  for (int64_t end = 1; end <= 55; ++end) writer.Append(Numbered(end - 1, end));
  EXPECT_EQ(NumFiles(), 3U);
  EXPECT_EQ(ReadAll(0, 1000), Numbered(0, 10) + "|" + Numbered(40, 55));
  EXPECT_EQ(ReadAll(25, 1000), "|" + Numbered(40, 55)) << "from inside the gap";
  EXPECT_EQ(Read(25).offset, 40);
  EXPECT_EQ(Read(43, 2).bytes, Numbered(43, 45));
}

TEST_F(AttemptLogTest, TakesMoreThanAllFilesHoldAtOnce) {
  LogWriter writer(log_, kSmall);
  writer.Append(Numbered(0, 1000));
  EXPECT_EQ(NumFiles(), 3U);
  EXPECT_EQ(ReadAll(0, 1000), Numbered(0, 10) + "|" + Numbered(980, 1000));
}

TEST_F(AttemptLogTest, CountsWhatCannotBeWrittenAndGoesOnBehindIt) {
  const std::string obstacle = folder_.Write("logs/uid", "");
  LogWriter writer(log_, kSmall);
  writer.Append(Numbered(0, 7));
  EXPECT_EQ(writer.num_bytes(), 7);
  std::filesystem::remove(obstacle);
  writer.Append(Numbered(7, 12));
  EXPECT_EQ(ReadAll(0, 1000), "|" + Numbered(7, 12));
  EXPECT_EQ(writer.Tail(), Numbered(0, 12)) << "the end is known all the same";
}

TEST_F(AttemptLogTest, IsEmptyWhenNothingWasWritten) {
  const LogWriter writer(log_);
  EXPECT_FALSE(std::filesystem::exists(log_));
  EXPECT_EQ(Read(0).bytes, "");
  EXPECT_EQ(Read(0).end, 0);
  EXPECT_EQ(writer.Tail(), "");
}

TEST_F(AttemptLogTest, LeavesForeignFilesAlone) {
  LogWriter writer(log_, kSmall);
  writer.Append("abc");
  for (const char* name : {"notes", "1.log", "-0000000000000000001.log", "99999999999999999999.log"}) {
    folder_.Write(std::string("logs/uid/1/") + name, "x");
  }
  EXPECT_EQ(ReadAll(0, 1000), "abc");
}

TEST_F(AttemptLogTest, IsReadWhileItIsWritten) {
  constexpr int64_t kEnd = 20'000;
  const LogLimits limits{.file_bytes = 100, .max_files = 1000};
  std::atomic<bool> done = false;
  std::thread thread([&] {
    LogWriter writer(log_, limits);
    while (writer.num_bytes() < kEnd) writer.Append(Numbered(writer.num_bytes(), writer.num_bytes() + 16));
    done = true;
  });
  std::string seen;
  bool last_look = false;
  while (!last_look) {
    last_look = done;
    seen += ReadAll(static_cast<int64_t>(seen.size()), 64);
  }
  thread.join();
  EXPECT_EQ(seen, Numbered(0, kEnd));
}

TEST_F(AttemptLogTest, SkipsWhatGoesAwayWhileItIsRead) {
  std::atomic<bool> done = false;
  std::thread thread([&] {
    LogWriter writer(log_, kSmall);
    for (int i = 0; i < 2000; ++i) writer.Append(Numbered(writer.num_bytes(), writer.num_bytes() + 7));
    done = true;
  });
  while (!done) {
    const auto piece = ReadLog(log_, 11, 5);
    // A writer that never rests may be too fast for a reader, which then is told so.
    if (!piece.ok()) {
      EXPECT_TRUE(absl::IsUnavailable(piece.status())) << piece.status();
    } else {
      EXPECT_EQ(piece->bytes, Numbered(piece->offset, piece->offset + static_cast<int64_t>(piece->bytes.size())));
    }
  }
  thread.join();
}

TEST_F(AttemptLogTest, TellsTheLastWholeLines) {
  LogWriter writer(log_);
  for (int i = 0; i < 1000; ++i) writer.Append("line " + std::to_string(i) + "\n");
  const std::string tail = writer.Tail();
  EXPECT_LE(tail.size(), 4096U);
  EXPECT_GT(tail.size(), 4000U);
  EXPECT_EQ(tail.substr(0, 5), "line ");
  EXPECT_EQ(tail.substr(tail.size() - 9), "line 999\n");
}

TEST_F(AttemptLogTest, TellsTheEndOfALineThatIsTooLong) {
  LogWriter writer(log_);
  writer.Append(std::string(5000, 'x') + "y");
  EXPECT_EQ(writer.Tail().size(), 4096U);
  EXPECT_EQ(writer.Tail().back(), 'y');
}

TEST_F(AttemptLogTest, TellsTheEndAsUtf8) {
  LogWriter writer(log_);
  writer.Append("a\xFF\n");
  EXPECT_EQ(writer.Tail(), "a?\n");
}

}  // namespace
}  // namespace pivot
