// SPDX-License-Identifier: Apache-2.0
#include "server/log.h"

#include <array>
#include <fcntl.h>
#include <string>
#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/process/unique_fd.h"

namespace pivot {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

/// A pipe in the place of stderr.
class LogTest : public ::testing::Test {
 protected:
  LogTest() : stderr_(dup(STDERR_FILENO)) {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    reader_ = UniqueFd(ends[0]);
    fcntl(reader_.get(), F_SETFL, O_NONBLOCK);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
  }
  ~LogTest() override { dup2(stderr_.get(), STDERR_FILENO); }

  std::string ReadAll() const {
    std::string text;
    std::array<char, 65536> buffer{};
    for (ssize_t count = 0; (count = read(reader_.get(), buffer.data(), buffer.size())) > 0;)
      text.append(buffer.data(), static_cast<size_t>(count));
    return text;
  }

 private:
  UniqueFd stderr_;
  UniqueFd reader_;
};

TEST_F(LogTest, WritesAnObjectALine) {
  Log(Severity::kInfo, "serving", {{"address", "unix:/a"}, {"count", 3}});
  EXPECT_THAT(ReadAll(),
              EndsWith("\"severity\":\"INFO\",\"event\":\"serving\",\"address\":\"unix:/a\",\"count\":3}\n"));
}

TEST_F(LogTest, WaitsForNobodyWhoDoesNotRead) {
  const std::string words(1000, 'x');
  for (int i = 0; i < 1000; ++i) Log(Severity::kInfo, "flood", {{"words", words}});
  const std::string flood = ReadAll();
  EXPECT_THAT(flood, EndsWith("x\"}\n"));
  Log(Severity::kInfo, "later");
  EXPECT_THAT(ReadAll(),
              AllOf(HasSubstr("\"event\":\"log_lines_lost\",\"count\":9"), EndsWith("\"event\":\"later\"}\n")));
}

}  // namespace
}  // namespace pivot
