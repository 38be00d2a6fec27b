// SPDX-License-Identifier: Apache-2.0
// From events to what is on the screen.
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

#include "client/view/job_view.h"
#include "client/view/live_lines.h"
#include "client/view/plain_lines.h"
#include "client/view/screen.h"
#include "client/view/units.h"

namespace pivot::client {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Not;
using ::testing::ResultOf;

v1::JobEvent Event(const std::string& text) {
  v1::JobEvent event;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &event)) << text;
  return event;
}

v1::Job QueuedJob() {
  v1::Job job;
  job.set_name("projects/default/jobs/abc");
  job.set_state(v1::STATE_QUEUED);
  for (const char* stage : {"layerwise", "evaluate"}) job.mutable_plan()->add_stages()->set_name(stage);
  return job;
}

JobView ViewAfter(const std::vector<std::string>& events) {
  JobView view = ViewOf(QueuedJob());
  for (const std::string& event : events) Apply(Event(event), &view);
  return view;
}

const std::vector<std::string> kRunning = {
    "state_changed { to: STATE_RUNNING }",
    "attempt: 1 attempt_started { device: 'cpu' device_name: 'Xeon' threads: 2 }",
    "stage_started { stage: 'layerwise' total: 30 }",
    "block_done { stage: 'layerwise' block: 11 total: 30 seconds: 3 relative_error: 0.012344 }",
    R"(progress { stage: 'layerwise' done: 12 total: 30 detail: 'block 12 down_proj' elapsed_seconds: 40
                  remaining_seconds: 190 host_bytes: 1800000000 })"};

TEST(LiveLinesTest, ShowsWhatWaits) {
  EXPECT_THAT(RenderLive(ViewAfter({}), 80), ElementsAre("abc         queued",   //
                                                         "layerwise   waiting",  //
                                                         "evaluate    waiting"));
}

TEST(LiveLinesTest, ShowsBarCountsTimeErrorMemoryAndDetail) {
  EXPECT_THAT(
      RenderLive(ViewAfter(kRunning), 120),
      ElementsAre("abc         running  on cpu (Xeon), 2 threads",
                  "layerwise   [############------------------]  12/30  3m 10s left  error 0.01234  1.80 GB host  "
                  "block 12 down_proj",
                  "evaluate    waiting"));
}

TEST(LiveLinesTest, LeavesOutFromTheRightWhatDoesNotFit) {
  EXPECT_THAT(RenderLive(ViewAfter(kRunning), 79)[1],
              "layerwise   [#######------------]  12/30  3m 10s left  error 0.01234");
  EXPECT_THAT(RenderLive(ViewAfter(kRunning), 40)[1], "layerwise   12/30  3m 10s left");
}

TEST(LiveLinesTest, IsNeverWiderThanTheTerminal) {
  for (size_t columns = 1; columns < 130; ++columns) {
    EXPECT_THAT(RenderLive(ViewAfter(kRunning), columns), Each(ResultOf(DisplayWidth, Le(columns))));
  }
}

TEST(LiveLinesTest, ShowsFinishedStages) {
  std::vector<std::string> events = kRunning;
  events.push_back("stage_done { stage: 'layerwise' seconds: 301.4 }");
  events.push_back("progress { stage: 'layerwise' done: 30 total: 30 }");  // late
  events.push_back("quality_measured { subject: 'original' quality { perplexity: 23.4125 } }");
  events.push_back("warning { reason: 'R' message: 'm' }");
  EXPECT_THAT(RenderLive(ViewAfter(events), 100),
              ElementsAre("abc         running  on cpu (Xeon), 2 threads  original perplexity 23.413  1 warning",
                          "layerwise   [#########################]  30/30  done in 5m 01s  error 0.01234",
                          "evaluate    waiting"));
}

TEST(LiveLinesTest, StartsOverWithANewAttempt) {
  std::vector<std::string> events = kRunning;
  events.push_back("attempt: 2 attempt_started { device: 'cuda:0' }");
  events.push_back("block_done { stage: 'layerwise' block: 0 total: 30 relative_error: 0.5 resumed: true }");
  EXPECT_THAT(RenderLive(ViewAfter(events), 60),
              ElementsAre("abc         running  on cuda:0  attempt 2",
                          "layerwise   [---------------]   1/30  error 0.5", "evaluate    waiting"));
}

TEST(LiveLinesTest, ShowsDownloadsInBytes) {
  JobView view = ViewAfter({});
  StageView& stage = StageOf("download", &view);
  stage.unit = StageUnit::kBytes;
  stage.phase = StagePhase::kRunning;
  stage.done = 50'000'000;
  stage.total = 115'000'000;
  stage.detail = "model-00001.safetensors";
  EXPECT_EQ(RenderLive(view, 90).back(),
            "download    [#########-------------]  50.0 MB of 115 MB  model-00001.safetensors");
}

TEST(LiveLinesTest, LetsNobodyElseSteerTheTerminal) {
  const JobView view = ViewAfter({"state_changed { to: STATE_RUNNING reason: '\\033[2J' }",
                                  "progress { stage: 'a\\nb' detail: '\\302\\233K\\007' total: 1 }"});
  const std::string text = absl::StrJoin(RenderLive(view, 100), "|");
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("?[2J"));
  EXPECT_THAT(text, HasSubstr("a?b"));
  EXPECT_THAT(text, HasSubstr("??K?"));
}

TEST(LiveLinesTest, TakesStatesOfANewerServer) {
  JobView view = ViewAfter({});
  view.state = static_cast<v1::State>(77);
  EXPECT_THAT(RenderLive(view, 80)[0], "abc         state 77");
}

TEST(ScreenTest, RedrawsInPlace) {
  std::ostringstream out;
  Screen screen(&out);
  screen.Draw({"one", "two"}, 80);
  screen.Draw({"three"}, 80);
  EXPECT_EQ(out.str(),
            "\x1b[?25lone\ntwo\n\x1b[?25h"
            "\x1b[?25l\x1b[2F\x1b[Jthree\n\x1b[?25h");
}

TEST(ScreenTest, CountsTheRowsOfLinesThatWereWrappedSince) {
  std::ostringstream out;
  Screen screen(&out);
  screen.Draw({std::string(50, 'x'), ""}, 80);
  out.str("");
  screen.Draw({"y"}, 20);
  EXPECT_EQ(out.str(), "\x1b[?25l\x1b[4F\x1b[Jy\n\x1b[?25h");
}

TEST(ScreenTest, PrintsAboveWhatItDraws) {
  std::ostringstream out;
  Screen screen(&out);
  screen.Draw({"bar"}, 80);
  out.str("");
  screen.PrintAbove("note\n", 80);
  EXPECT_EQ(out.str(), "\x1b[?25l\x1b[1F\x1b[Jnote\n\x1b[?25h\x1b[?25lbar\n\x1b[?25h");
}

class PlainLinesTest : public ::testing::Test {
 protected:
  std::string LineOf(const std::string& text, double at_seconds = 0, Detail detail = Detail::kNormal) {
    const v1::JobEvent event = Event(text);
    Apply(event, &view_);
    PlainLines& lines = detail == Detail::kAll ? all_ : normal_;
    return lines.LineOf(event, view_, absl::UnixEpoch() + absl::Seconds(at_seconds));
  }

  JobView view_;
  PlainLines normal_{Detail::kNormal};
  PlainLines all_{Detail::kAll};
};

TEST_F(PlainLinesTest, SaysWhatHappened) {
  EXPECT_EQ(LineOf("state_changed { to: STATE_QUEUED reason: 'WAITING_FOR_DEVICE' }"), "queued (WAITING_FOR_DEVICE)");
  EXPECT_EQ(LineOf("attempt: 2 attempt_started { device: 'cpu' threads: 2 }"), "attempt 2 on cpu, 2 threads");
  EXPECT_EQ(LineOf("stage_started { stage: 'layerwise' total: 30 }"), "layerwise: begins, 30 steps");
  EXPECT_EQ(LineOf("stage_done { stage: 'layerwise' seconds: 12.5 }"), "layerwise: done in 13 s");
  EXPECT_EQ(
      LineOf(
          "quality_measured { subject: 'pivot 0' quality { perplexity: 24.9 kl_mean: 0.042 top1_agreement: 0.912 } }"),
      "pivot 0: perplexity 24.900, KL 0.042, top-1 agreement 91.2 %");
  EXPECT_EQ(LineOf("warning { reason: 'SLOW' message: 'it takes long' }"), "warning: it takes long (SLOW)");
  EXPECT_EQ(LineOf("checkpoint_published { checkpoint { number: 0 bytes: 115000000 bits_per_weight: 4.25 } }"),
            "pivot 0: 115 MB, 4.25 bits per weight");
  EXPECT_EQ(LineOf("attempt_ended { attempt { number: 1 cause: 'WORKER_CRASHED' exit_signal: 11 } }"),
            "attempt 1 ended: WORKER_CRASHED, signal 11");
}

TEST_F(PlainLinesTest, IsSilentAboutTheRest) {
  EXPECT_EQ(LineOf("heartbeat {}"), "");
  EXPECT_EQ(LineOf("progress { stage: 'layerwise' }"), "");
  EXPECT_EQ(LineOf("attempt_ended { attempt { number: 1 cause: 'DONE' } }"), "");
}

TEST_F(PlainLinesTest, GivesBlocksAtMostEveryTwoSecondsAndTheLastAlways) {
  const auto block = [](int number) {
    return "block_done { stage: 's' block: " + std::to_string(number) + " total: 4 relative_error: 0.25 }";
  };
  EXPECT_EQ(LineOf(block(0), 0), "s: block 1/4, error 0.25");
  EXPECT_EQ(LineOf(block(1), 1.9), "");
  EXPECT_EQ(LineOf(block(2), 2.1), "s: block 3/4, error 0.25");
  EXPECT_EQ(LineOf(block(3), 2.2), "s: block 4/4, error 0.25");
}

TEST_F(PlainLinesTest, GivesEveryBlockWithAllDetail) {
  LineOf("progress { stage: 's' remaining_seconds: 90 host_bytes: 1000000 }");
  EXPECT_EQ(LineOf("block_done { stage: 's' block: 0 total: 4 seconds: 1.5 relative_error: 0.25 }", 0, Detail::kAll),
            "s: block 1/4, error 0.25, 1.50 s, 1m 30s left, 1.00 MB memory");
  EXPECT_EQ(LineOf("block_done { stage: 's' block: 1 total: 4 seconds: 1.5 resumed: true }", 0, Detail::kAll),
            "s: block 2/4, error 0, 1.50 s, taken over, 1m 30s left, 1.00 MB memory");
}

}  // namespace
}  // namespace pivot::client
