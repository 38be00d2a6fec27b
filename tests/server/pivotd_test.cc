// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "server/store/open_database.h"
#include "server/store/transition.h"
#include "tests/server/pivotd_fixture.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(PivotdTest, SaysWhereItIsReady) {
  PivotdProcess pivotd(Options({"--listen", "localhost:0", "--listen", absl::StrCat("unix:", folder_ / "s")}));
  const std::vector<std::string> addresses = pivotd.AwaitReady();
  ASSERT_THAT(addresses, SizeIs(2));
  EXPECT_THAT(addresses[0], ::testing::MatchesRegex("127\\.0\\.0\\.1:[1-9][0-9]+"));
  EXPECT_EQ(addresses[1], absl::StrCat("unix:", folder_ / "s"));
  for (const std::string& address : addresses) EXPECT_FALSE(Create(*Connect(address)).name().empty());
}

TEST_F(PivotdTest, ListensInItsDataFolderByDefault) {
  PivotdProcess pivotd(Options());
  EXPECT_THAT(pivotd.AwaitReady(), ::testing::ElementsAre(absl::StrCat("unix:", data(), "/pivotd.sock")));
}

TEST_F(PivotdTest, EndsWithZeroOnSigterm) {
  PivotdProcess pivotd(Options());
  ASSERT_THAT(pivotd.AwaitReady(), SizeIs(1));
  pivotd.Signal(SIGTERM);
  const ProcessEnd end = pivotd.AwaitEnd();
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(end.signal, 0);
  EXPECT_FALSE(std::filesystem::exists(data() + "/pivotd.sock"));
  EXPECT_FALSE(std::filesystem::exists(data() + "/pivot.db-wal")) << "the store was closed";
  for (const absl::string_view line : absl::StrSplit(pivotd.output(), '\n', absl::SkipEmpty())) {
    EXPECT_TRUE(json::accept(line.begin(), line.end())) << line;
  }
}

TEST_F(PivotdTest, EndsWithItsLifeline) {
  PivotdProcess pivotd(Options());
  ASSERT_THAT(pivotd.AwaitReady(), SizeIs(1));
  pivotd.CloseLifeline();
  EXPECT_EQ(pivotd.AwaitEnd().exit_code, 0);
}

TEST_F(PivotdTest, EndsAtOnceOnASecondSignal) {
  SetScript({{{"ignore_sigterm", true}}, {{"send", "StageStarted"}}, {{"hang", true}}});
  PivotdProcess pivotd(Options());
  const auto stub = Connect(pivotd.AwaitReady().at(0));
  const std::string name = Create(*stub).name();
  EXPECT_TRUE(Eventually([&] { return Get(*stub, name).last_seq() >= 4; }));
  const auto begin = std::chrono::steady_clock::now();
  pivotd.Signal(SIGTERM);
  pivotd.Signal(SIGINT);
  EXPECT_EQ(pivotd.AwaitEnd().exit_code, 1);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5)) << "without waiting for the worker";
}

TEST_F(PivotdTest, GoesOnAfterBeingKilledInTheMiddleOfAJob) {
  SetScript({{{"write", "journal.jsonl"}, {"text", "{}\n"}},
             {{"send", "BlockDone"}, {"payload", {{"block", 0}}}},
             {{"hang", true}}});
  v1::Job before;
  {
    PivotdProcess pivotd(Options());
    const auto stub = Connect(pivotd.AwaitReady().at(0));
    before = Create(*stub);
    EXPECT_TRUE(Eventually([&] { return Get(*stub, before.name()).last_seq() >= 4; }));
    pivotd.Signal(SIGKILL);
    EXPECT_EQ(pivotd.AwaitEnd().signal, SIGKILL);
  }
  EXPECT_TRUE(std::filesystem::exists(data() + "/pivotd.sock")) << "a stale socket, to be replaced";
  SetScript({{{"record", folder_ / "record"}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  PivotdProcess pivotd(Options());
  const auto stub = Connect(pivotd.AwaitReady().at(0));
  v1::Job after;
  EXPECT_TRUE(Eventually([&] { return IsTerminal((after = Get(*stub, before.name())).state()); }));
  EXPECT_EQ(after.state(), v1::STATE_SUCCEEDED);
  EXPECT_EQ(after.uid(), before.uid());
  ASSERT_THAT(after.attempts(), SizeIs(2));
  EXPECT_EQ(after.attempts(0).cause(), "SERVER_DIED");
  EXPECT_THAT(after.checkpoints(), SizeIs(1));
  std::ifstream record(folder_ / "record");
  EXPECT_EQ(json::parse(record)["start"]["resume"], true);
}

TEST_F(PivotdTest, PassesItsOwnDescriptorsToNobody) {
  SetScript({{{"record", folder_ / "record"}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  PivotdProcess pivotd(Options({"--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"}));
  const auto stub = Connect(pivotd.AwaitReady().at(0));
  const std::string name = Create(*stub).name();
  EXPECT_TRUE(Eventually([&] { return IsTerminal(Get(*stub, name).state()); }));
  std::ifstream record(folder_ / "record");
  EXPECT_THAT(json::parse(record)["descriptors"], SizeIs(::testing::Le(6)));
}

TEST_F(PivotdTest, RefusesWrongUsage) {
  ExpectRefusal({.arguments = {}}, 2, "--data");
  ExpectRefusal(Options({"--no-such-flag"}), 2, "--no-such-flag");
  ExpectRefusal(Options({"--listen", "0.0.0.0:50051"}), 2, "give --tls-cert, --tls-key and --identity");
  ExpectRefusal(Options({"--max-queued", "0"}), 2, "--max-queued");
  ExpectRefusal(Options({"--metrics", "0.0.0.0:1"}), 2, "--metrics needs a loopback HOST:PORT");
  ExpectRefusal(Options({"stray"}), 2, "stray");
  EXPECT_FALSE(std::filesystem::exists(data())) << "nothing is left behind";
}

TEST_F(PivotdTest, TellsItsVersion) { ExpectRefusal({.arguments = {"--version"}}, 0, "pivotd 0.1.0\n"); }

TEST_F(PivotdTest, CannotStartWithoutItsWorker) {
  PivotdProcess::Options options = Options();
  options.worker = "/nowhere";
  ExpectRefusal(options, 1, "pivotd: /nowhere is not there");
  EXPECT_FALSE(std::filesystem::exists(data())) << "nothing is left behind";
}

TEST_F(PivotdTest, CannotStartOnATakenPort) {
  PivotdProcess first(Options({"--listen", "127.0.0.1:0"}));
  const std::vector<std::string> addresses = first.AwaitReady();
  ASSERT_THAT(addresses, SizeIs(1));
  PivotdProcess::Options second = Options({"--listen", addresses[0]});
  second.arguments[1] = folder_ / "other";
  ExpectRefusal(second, 1, absl::StrCat("pivotd: cannot listen on ", addresses[0]));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "other")) << "nothing is left behind";
}

TEST_F(PivotdTest, CannotStartOnAFolderInUse) {
  PivotdProcess first(Options());
  ASSERT_THAT(first.AwaitReady(), SizeIs(1));
  ExpectRefusal(Options(), 1, absl::StrCat("another pivotd uses the data folder ", data()));
}

TEST_F(PivotdTest, CannotStartOnTheFolderOfANewerOne) {
  std::filesystem::create_directories(data());
  {
    ASSERT_OK_AND_ASSIGN(const auto database, OpenDatabase(data() + "/pivot.db"));
    ASSERT_OK(database->Execute("PRAGMA user_version = 1000"));
  }
  ExpectRefusal(Options(), 1, "written by a newer pivotd");
}

}  // namespace
}  // namespace pivot
