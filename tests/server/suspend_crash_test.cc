// SPDX-License-Identifier: Apache-2.0
// kill -9 of the server while it suspends.
#include <cerrno>
#include <csignal>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "server/store/transition.h"
#include "tests/server/pivotd_fixture.h"
#include "tests/support/eventually.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::SizeIs;

using SuspendCrashTest = PivotdTest;

TEST_F(SuspendCrashTest, IsSuspendedWhenTheServerDiesBeforeItsWorkerHasStopped) {
  const std::string record = folder_ / "record";
  const std::string told = folder_ / "told";
  SetScript({{{"attempt", 1}, {"write", "journal.jsonl"}, {"text", "{}\n"}},
             {{"attempt", 1}, {"write", folder_ / "pid"}, {"own_pid", true}},
             {{"attempt", 1}, {"send", "BlockDone"}, {"payload", {{"block", 0}}}},
             {{"attempt", 1}, {"wait", "Cancel"}},
             {{"attempt", 1}, {"write", told}},
             {{"attempt", 1}, {"hang", true}},
             {{"record", record}},
             {{"pivot", json::object()}},
             {{"send", "Done"}}});
  std::string name;
  {
    PivotdProcess pivotd(Options());
    const auto stub = Connect(pivotd.AwaitReady().at(0));
    name = Create(*stub).name();
    EXPECT_TRUE(Eventually([&] { return Get(*stub, name).last_seq() >= 4; }));
    v1::SuspendJobRequest request;
    request.set_name(name);
    grpc::ClientContext context;
    v1::Job job;
    ASSERT_TRUE(stub->SuspendJob(&context, request, &job).ok());
    EXPECT_EQ(job.state(), v1::STATE_SUSPENDING);
    EXPECT_TRUE(Eventually([&] { return std::filesystem::exists(told); }));
    pivotd.Signal(SIGKILL);
    EXPECT_EQ(pivotd.AwaitEnd().signal, SIGKILL);
  }
  pid_t worker = 0;
  std::ifstream(folder_ / "pid") >> worker;
  ASSERT_GT(worker, 1);
  EXPECT_TRUE(Eventually([&] { return kill(worker, 0) != 0 && errno == ESRCH; })) << "the worker outlived the server";

  PivotdProcess pivotd(Options());
  const auto stub = Connect(pivotd.AwaitReady().at(0));
  const v1::Job found = Get(*stub, name);
  EXPECT_EQ(found.state(), v1::STATE_SUSPENDED);
  ASSERT_THAT(found.attempts(), SizeIs(1)) << "no worker was started";
  EXPECT_EQ(found.attempts(0).cause(), "SERVER_DIED");
  v1::ResumeJobRequest request;
  request.set_name(name);
  grpc::ClientContext context;
  v1::Job job;
  ASSERT_TRUE(stub->ResumeJob(&context, request, &job).ok());
  EXPECT_TRUE(Eventually([&] { return IsTerminal((job = Get(*stub, name)).state()); }));
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  EXPECT_EQ(job.attempt(), 2);
  std::ifstream seen(record);
  EXPECT_EQ(json::parse(seen)["start"]["resume"], true);
}

}  // namespace
}  // namespace pivot
