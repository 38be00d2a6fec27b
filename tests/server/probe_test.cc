// SPDX-License-Identifier: Apache-2.0
#include "server/probe/probe.h"

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class ProbeTest : public ::testing::Test {
 protected:
  ProbeTest() : options_{.program = PIVOT_FAKE_PROBE, .environment = {"PATH=/bin"}, .limits = DefaultProbeLimits()} {
    folder_.Write("x", "");
  }

  absl::StatusOr<std::optional<v1::Plan>> Examine(const json& orders) {
    folder_.Write("fake_probe.json", orders.dump());
    return Probe(options_).Examine(Spec(), {{.name = "cuda:0", .uuid = "GPU-1", .memory_bytes = 80}, {.name = "cpu"}});
  }
  v1::JobSpec Spec() const {
    v1::JobSpec spec;
    spec.mutable_compress()->mutable_source()->set_path(folder_.path());
    return spec;
  }

  TemporaryFolder folder_;
  ProbeOptions options_;
};

TEST_F(ProbeTest, GivesThePlan) {
  ASSERT_OK_AND_ASSIGN(const auto plan, Probe(options_).Examine(Spec(), {}));
  EXPECT_EQ(plan->num_blocks(), 2);
  EXPECT_EQ(plan->modules(0).bits(), 4);
}

/// Tells whether a process was asked.
class RememberedPlanTest : public ProbeTest {
 protected:
  void Answer(int blocks) {
    folder_.Write("fake_probe.json",
                  json{{"record", aside_ / "asked"}, {"answer", {{"plan", {{"num_blocks", blocks}}}}}}.dump());
  }
  bool WasAsked() const { return std::filesystem::remove(aside_ / "asked"); }

  TemporaryFolder aside_;
};

TEST_F(RememberedPlanTest, IsGivenAgainWhileNothingChanges) {
  options_.now = [] { return absl::Now() + absl::Hours(1); };  // the source's last change was long ago
  Probe probe(options_);
  const auto blocks = [&](const v1::JobSpec& spec) { return probe.Examine(spec, {}).value()->num_blocks(); };
  Answer(7);
  EXPECT_EQ(blocks(Spec()), 7);
  EXPECT_TRUE(WasAsked());
  v1::JobSpec other = Spec();
  other.set_priority(80);
  EXPECT_EQ(blocks(other), 7);
  EXPECT_FALSE(WasAsked()) << "the plan does not depend on the priority";
  other.mutable_compress()->set_bits(3);
  EXPECT_EQ(blocks(other), 7);
  EXPECT_TRUE(WasAsked());
  EXPECT_OK(probe.Examine(Spec(), {{.name = "cuda:0", .uuid = "GPU-1", .memory_bytes = 80}}));
  EXPECT_TRUE(WasAsked());
  Answer(8);
  EXPECT_EQ(blocks(Spec()), 8);
  EXPECT_TRUE(WasAsked());
  folder_.Write("below/another", "");
  EXPECT_EQ(blocks(Spec()), 8);
  EXPECT_TRUE(WasAsked());
}

TEST_F(RememberedPlanTest, IsNotKeptOfASourceThatHasJustChanged) {
  Probe probe(options_);
  Answer(7);
  for (int i = 0; i < 2; ++i) {
    EXPECT_OK(probe.Examine(Spec(), {}));
    EXPECT_TRUE(WasAsked());
  }
}

TEST_F(RememberedPlanTest, IsNotKeptWhenItIsAnError) {
  options_.now = [] { return absl::Now() + absl::Hours(1); };
  Probe probe(options_);
  folder_.Write("fake_probe.json", json{{"record", aside_ / "asked"}, {"raw", "garbage"}}.dump());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(ReasonOf(probe.Examine(Spec(), {}).status()), "PROBE_FAILED");
    EXPECT_TRUE(WasAsked());
  }
}

TEST_F(ProbeTest, NeedsNoPlanForOtherTasks) {
  v1::JobSpec spec;
  spec.mutable_generate()->mutable_source()->set_path(folder_.path());
  EXPECT_FALSE(Probe(options_).Examine(spec, {}).value().has_value());
}

TEST_F(ProbeTest, SendsSpecAndGpus) {
  Examine({{"record", folder_ / "request"}, {"answer", {{"plan", json::object()}}}}).IgnoreError();
  const json request = json::parse(ReadSmallFile(folder_ / "request", 1 << 20).value());
  EXPECT_EQ(request["spec"]["compress"]["source"]["path"], folder_.path());
  EXPECT_EQ(request["gpus"], json::parse(R"([{"name": "cuda:0", "memory_bytes": 80}])"));
}

TEST_F(ProbeTest, PassesItsErrorOn) {
  const auto refused = Examine(
      {{"answer",
        {{"error",
          {{"code", "FAILED_PRECONDITION"}, {"reason", "ALREADY_QUANTIZED"}, {"message", "m"}, {"field", "f"}}}}}});
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, "m"));
  EXPECT_EQ(ReasonOf(refused.status()), "ALREADY_QUANTIZED");
  EXPECT_EQ(FieldOf(refused.status()), "f");
}

TEST_F(ProbeTest, SurvivesAnythingThatIsNotAnAnswer) {
  for (const json& orders :
       {json{{"raw", ""}}, json{{"raw", "garbage"}}, json{{"raw", "[]"}}, json{{"raw", "{}"}},
        json{{"raw", R"({"plan": 5})"}}, json{{"raw", R"({"plan": {"modules": [{"bits": "x"}]}})"}},
        json{{"raw", std::string(100000, '[')}}}) {
    const auto answer = Examine(orders);
    EXPECT_EQ(ReasonOf(answer.status()), "PROBE_FAILED") << orders.dump().substr(0, 100);
    EXPECT_TRUE(absl::IsInternal(answer.status()));
  }
}

TEST_F(ProbeTest, SaysHowItCrashed) {
  EXPECT_THAT(Examine({{"signal", 11}}),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("signal 11 (Segmentation fault)")));
  EXPECT_THAT(Examine({{"exit", 3}}), StatusIs(absl::StatusCode::kInternal, HasSubstr("exit code 3: about to fail")));
}

TEST_F(ProbeTest, IsKilledWhenItHangs) {
  options_.limits.timeout = absl::Milliseconds(300);
  const auto hung = Examine({{"hang", true}});
  EXPECT_THAT(hung, StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("300ms")));
  EXPECT_EQ(ReasonOf(hung.status()), "PROBE_TIMEOUT");
}

TEST_F(ProbeTest, IsKilledWhenItTalksTooMuch) {
  options_.limits.max_output_bytes = 100000;
  EXPECT_THAT(Examine({{"flood", 10000000}, {"hang", true}}),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("more than 100000 bytes")));
}

TEST_F(ProbeTest, EndsWithTheServer) {
  folder_.Write("fake_probe.json", R"({"hang": true})");
  Probe probe(options_);
  std::thread stopper([&] { probe.Stop(); });
  EXPECT_TRUE(absl::IsUnavailable(probe.Examine(Spec(), {}).status()));
  stopper.join();
}

TEST_F(ProbeTest, SaysWhatItCan) {
  ASSERT_OK_AND_ASSIGN(const v1::ServerCapabilities capabilities, Probe(options_).Capabilities());
  EXPECT_THAT(capabilities.architectures(), ::testing::ElementsAre("llama", "qwen2"));
  EXPECT_EQ(capabilities.bits_size(), 7);
}

TEST_F(ProbeTest, IsNotThere) {
  options_.program = folder_ / "nothing";
  EXPECT_THAT(Probe(options_).Capabilities(), StatusIs(absl::StatusCode::kInternal, HasSubstr("cannot start")));
}

TEST_F(ProbeTest, TakesALongRequestWithoutADeadlock) {
  v1::JobSpec spec;
  spec.mutable_generate()->mutable_source()->set_path(folder_.path());
  spec.mutable_generate()->set_prompt(std::string(4 << 20, 'x'));
  EXPECT_OK(Probe(options_).Examine(spec, {}));
}

}  // namespace
}  // namespace pivot
