// SPDX-License-Identifier: Apache-2.0
// What a new server makes of what an earlier one left.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "server/artifact/recovery.h"
#include "server/store/store.h"
#include "tests/server/running_server.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::SizeIs;

class RestartTest : public ::testing::Test {
 protected:
  RestartTest() {
    server_.SetScript({{{"send", "BlockDone"}, {"payload", {{"block", 0}}}},
                       {{"await_file", server_.Gate("go")}},
                       {{"pivot", json::object()}},
                       {{"send", "Done"}}});
  }
  RunningServer server_;
};

TEST_F(RestartTest, KeepsJobsEventsAndCheckpoints) {
  server_.Open("go");
  server_.Start();
  const v1::Job before = server_.AwaitEnd(server_.Create(server_.CompressRequest("kept")).name());
  server_.Stop();
  server_.Start();
  const v1::Job after = server_.Get(before.name());
  EXPECT_EQ(after.SerializeAsString(), before.SerializeAsString());
  EXPECT_EQ(Sequence(server_.Watch(before.name())), Counting(1, before.last_seq()));
  EXPECT_EQ(server_.ReadFile(before.checkpoints(0).name(), "config.json").bytes, "{\"model_type\": \"llama\"}");
}

TEST_F(RestartTest, GoesOnWithTheJobThatRan) {
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  const std::string waiting = server_.Create(server_.CompressRequest()).name();
  EXPECT_TRUE(Eventually([&] { return server_.Get(name).last_seq() >= 4; }));
  server_.Stop();
  server_.Open("go");
  server_.Start();
  const v1::Job job = server_.AwaitEnd(name);
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  ASSERT_THAT(job.attempts(), SizeIs(2));
  EXPECT_EQ(job.attempts(0).cause(), "SERVER_STOPPED");
  const std::vector<v1::JobEvent> events = server_.Watch(name);
  EXPECT_EQ(Sequence(events), Counting(1, job.last_seq()));
  EXPECT_THAT(StatesIn(events), ElementsAre("QUEUED", "RUNNING", "QUEUED", "RUNNING", "SUCCEEDED"));
  EXPECT_EQ(server_.AwaitEnd(waiting).state(), v1::STATE_SUCCEEDED);
}

TEST_F(RestartTest, DoesNotCountItsOwnEndsAsCrashes) {
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  for (int i = 0; i < 4; ++i) {
    server_.AwaitState(name, v1::STATE_RUNNING);
    server_.Stop();
    server_.Start();
  }
  server_.Open("go");
  const v1::Job job = server_.AwaitEnd(name);
  EXPECT_EQ(job.state(), v1::STATE_SUCCEEDED);
  EXPECT_THAT(job.attempts(), SizeIs(5));
}

TEST_F(RestartTest, RemembersRequests) {
  server_.Start();
  v1::CreateJobRequest request = server_.CompressRequest();
  request.set_request_id("6f1c2a58-7d1e-4b0a-9b9e-2f6f6d0c3a11");
  const std::string uid = server_.Create(request).uid();
  server_.Stop();
  server_.Start();
  EXPECT_EQ(server_.Create(request).uid(), uid);
}

TEST_F(RestartTest, SweepsWhatWasNeverPublished) {
  server_.folder().Write("data/objects/orphan/config.json", "{}");
  server_.folder().Write("data/staging/unknown/journal.jsonl", "");
  server_.Start();
  EXPECT_TRUE(std::filesystem::is_empty(server_.data() + "/objects"));
  EXPECT_TRUE(std::filesystem::is_empty(server_.data() + "/staging"));
}

}  // namespace
}  // namespace pivot
