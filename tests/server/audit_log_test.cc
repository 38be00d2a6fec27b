// SPDX-License-Identifier: Apache-2.0
#include "server/audit/audit_log.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "server/errors.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using nlohmann::json;

AuditEntry EntryOf(const std::string& method) {
  return {.time = absl::UnixEpoch(), .principal = "a", .method = method};
}

/// The methods of a file's lines.
std::vector<std::string> MethodsIn(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  std::vector<std::string> methods;
  for (const absl::string_view line : absl::StrSplit(text.str(), '\n', absl::SkipEmpty())) {
    methods.push_back(json::parse(line)["method"]);
  }
  return methods;
}

TEST(AuditLineTest, IsOneJsonObject) {
  const std::string line = AuditLine({.time = absl::UnixEpoch() + absl::Milliseconds(1500),
                                      .principal = "uri:spiffe://x/y",
                                      .peer = "ipv4:127.0.0.1:9",
                                      .method = "ReadFile",
                                      .resource = "projects/p\n\xff",
                                      .request_id = "r",
                                      .status = AccessDenied("no"),
                                      .bytes = 7});
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_EQ(json::parse(line), (json{{"time", "1970-01-01T00:00:01.500Z"},
                                     {"principal", "uri:spiffe://x/y"},
                                     {"peer", "ipv4:127.0.0.1:9"},
                                     {"method", "ReadFile"},
                                     {"resource", "projects/p\n\xef\xbf\xbd"},
                                     {"request_id", "r"},
                                     {"code", "PERMISSION_DENIED"},
                                     {"reason", "ACCESS_DENIED"},
                                     {"bytes", 7}}));
  EXPECT_FALSE(json::parse(AuditLine(EntryOf("GetJob"))).contains("reason"));
}

TEST(AuditLogTest, AppendsInOrderAndForItsOwnerAlone) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("audit.jsonl", R"({"method":"old"})"
                                                       "\n");
  for (const char* method : {"first", "second"}) {
    ASSERT_OK_AND_ASSIGN(const auto log, AuditLog::Open({.path = path}));
    log->Record(EntryOf(method));
  }
  EXPECT_THAT(MethodsIn(path), ::testing::ElementsAre("old", "first", "second"));
  ASSERT_OK(AuditLog::Open({.path = folder / "new"}));
  struct stat info{};
  ASSERT_EQ(stat((folder / "new").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST(AuditLogTest, WritesWithoutWaitingForItsEnd) {
  const TemporaryFolder folder;
  ASSERT_OK_AND_ASSIGN(const auto log, AuditLog::Open({.path = folder / "a"}));
  log->Record(EntryOf("one"));
  EXPECT_TRUE(Eventually([&] { return MethodsIn(folder / "a").size() == 1; }));
}

TEST(AuditLogTest, GoesOnInANewFileWhenTheOldOneWasMovedAway) {
  const TemporaryFolder folder;
  {
    ASSERT_OK_AND_ASSIGN(const auto log, AuditLog::Open({.path = folder / "a"}));
    log->Record(EntryOf("before"));
    std::filesystem::rename(folder / "a", folder / "a.1");
    ASSERT_OK(log->Reopen());
    log->Record(EntryOf("after"));
  }
  EXPECT_THAT(MethodsIn(folder / "a.1"), ::testing::ElementsAre("before"));
  EXPECT_THAT(MethodsIn(folder / "a"), ::testing::ElementsAre("after"));
}

TEST(AuditLogTest, CountsWhatTheDiskDoesNotTake) {
  std::atomic<int64_t> lost = 0;
  {
    ASSERT_OK_AND_ASSIGN(const auto log,
                         AuditLog::Open({.path = "/dev/full", .lost = [&](int64_t lines) { lost += lines; }}));
    for (int i = 0; i < 3; ++i) log->Record(EntryOf("x"));
  }
  EXPECT_EQ(lost, 3);
}

TEST(AuditLogTest, CountsWhatDoesNotFitIntoItsQueue) {
  const TemporaryFolder folder;
  std::atomic<int64_t> lost = 0;
  {
    ASSERT_OK_AND_ASSIGN(
        const auto log,
        AuditLog::Open({.path = folder / "a", .lost = [&](int64_t lines) { lost += lines; }, .max_waiting = 0}));
    log->Record(EntryOf("x"));
  }
  EXPECT_EQ(lost, 1);
}

}  // namespace
}  // namespace pivot
