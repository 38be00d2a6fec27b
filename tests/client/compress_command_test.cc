// SPDX-License-Identifier: Apache-2.0
// `pivot compress` against a server.
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "client/jobs.h"
#include "tests/client/server_commands_fixture.h"

namespace pivot::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST_F(ServerCommandsTest, CompressDeliversAFolderAndATable) {
  EXPECT_EQ(Compress(), ExitCode::kDone) << err_;
  EXPECT_TRUE(Exists("out/config.json"));
  EXPECT_TRUE(Exists("out/pivot/manifest.json"));
  EXPECT_FALSE(Exists(".out.pivot"));
  EXPECT_THAT(out_, HasSubstr("perplexity                           23.500      24.250\n"));
  EXPECT_THAT(out_, HasSubstr(output_ + "\n"));
  EXPECT_THAT(err_, HasSubstr("original: perplexity 23.500\n"));
  EXPECT_THAT(err_, Not(HasSubstr("\x1b")));
}

TEST_F(ServerCommandsTest, CompressGivesEveryEventAndEndsWithDone) {
  EXPECT_EQ(RunThere({"compress", model_, "-o", output_, "--json"}), ExitCode::kDone);
  std::vector<std::string> events;
  for (const nlohmann::json& line : Lines()) events.push_back(line.value("event", "?"));
  EXPECT_EQ(events.front(), "quality_measured");
  EXPECT_EQ(events[1], "state_changed");
  EXPECT_EQ(events.back(), "done");
  const nlohmann::json done = Lines().back();
  EXPECT_EQ(done["job"], kFirstJob);
  EXPECT_EQ(done["output"], std::filesystem::canonical(output_).string());
  EXPECT_EQ(done["pivots"][0]["perplexity"], 24.25);
}

TEST_F(ServerCommandsTest, CompressIsSilentWithQ) {
  EXPECT_EQ(RunThere({"compress", model_, "-o", output_, "-q"}), ExitCode::kDone);
  EXPECT_THAT(err_, IsEmpty());
}

TEST_F(ServerCommandsTest, CompressSendsWhatTheFlagsSay) {
  const std::string text = folder_.Write("text", "words");
  EXPECT_EQ(RunThere({"compress",
                      model_,
                      "-o",
                      output_,
                      "--bits",
                      "3",
                      "--group-size",
                      "32",
                      "--method",
                      "rtn",
                      "--percdamp",
                      "0.05",
                      "--qep",
                      "0",
                      "--clip",
                      "none",
                      "--act-order",
                      "none",
                      "--calibration",
                      text,
                      "--text-key",
                      "a.b",
                      "--calibration-strategy",
                      "drop_head",
                      "--quality-filter",
                      "--samples",
                      "7",
                      "--seq-len",
                      "99",
                      "--seed",
                      "5",
                      "--eval",
                      "none",
                      "--device",
                      "cuda:1",
                      "--dtype",
                      "bfloat16",
                      "--regularization",
                      "0.5",
                      "--refine-sweeps",
                      "2",
                      "--scale-signs",
                      "positive"}),
            ExitCode::kDone);
  const v1::JobSpec& spec = requests_.at(0).job().spec();
  EXPECT_EQ(spec.device(), "cuda:1");
  const v1::CompressTask& task = spec.compress();
  EXPECT_EQ(task.source().path(), model_);
  EXPECT_EQ(task.bits(), 3);
  EXPECT_EQ(task.group_size(), 32);
  EXPECT_EQ(task.quantize().method(), v1::METHOD_RTN);
  EXPECT_EQ(task.quantize().percdamp(), 0.05);
  EXPECT_TRUE(task.quantize().has_qep_alpha());
  EXPECT_EQ(task.quantize().qep_alpha(), 0);
  EXPECT_EQ(task.quantize().clip_search(), v1::CLIP_SEARCH_NONE);
  EXPECT_EQ(task.quantize().act_order(), v1::ACT_ORDER_NONE);
  EXPECT_EQ(task.quantize().regularization(), 0.5);
  EXPECT_EQ(task.quantize().refine_sweeps(), 2);
  EXPECT_EQ(task.quantize().scale_signs(), v1::SCALE_SIGNS_POSITIVE);
  EXPECT_EQ(task.calibration().text_path(), text);
  EXPECT_EQ(task.calibration().text_key(), "a.b");
  EXPECT_EQ(task.calibration().strategy(), v1::SAMPLING_STRATEGY_DROP_HEAD);
  EXPECT_TRUE(task.calibration().quality_filter());
  EXPECT_EQ(task.calibration().num_samples(), 7);
  EXPECT_EQ(task.calibration().sequence_length(), 99);
  EXPECT_EQ(task.calibration().seed(), 5);
  EXPECT_TRUE(task.evaluation().skip());
  EXPECT_EQ(task.compute_dtype(), v1::COMPUTE_DTYPE_BFLOAT16);
}

TEST_F(ServerCommandsTest, CompressRefusesAKeyOfNoFile) {
  EXPECT_EQ(RunThere({"compress", model_, "-o", output_, "--text-key", "body"}), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("--text-key body is of a file's records, and no file is named"));
  EXPECT_EQ(RunThere({"compress", model_, "-o", output_, "--eval-text-key", "body"}), ExitCode::kUsage);
  EXPECT_EQ(RunThere({"compress", model_, "-o", output_, "--calibration-strategy", "drop"}), ExitCode::kUsage);
  EXPECT_THAT(requests_, IsEmpty());
}

TEST_F(ServerCommandsTest, CompressReplacesAFolderOnlyWithOverwrite) {
  folder_.Write("out/old", "x");
  EXPECT_EQ(Compress(), ExitCode::kUsage);
  EXPECT_THAT(requests_, IsEmpty());
  EXPECT_EQ(RunThere({"compress", model_, "-o", output_, "--overwrite"}), ExitCode::kDone);
  EXPECT_FALSE(Exists("out/old"));
  EXPECT_TRUE(Exists("out/config.json"));
}

TEST_F(ServerCommandsTest, CompressFailsAsTheJobDoes) {
  ends_as_ = v1::STATE_FAILED;
  EXPECT_EQ(Compress(), ExitCode::kFailed);
  EXPECT_THAT(err_, HasSubstr("pivot: the worker crashed\n"));
  EXPECT_FALSE(Exists("out"));
  EXPECT_FALSE(Exists(".out.pivot"));
}

TEST_F(ServerCommandsTest, CompressFindsItsJobAgain) {
  // The first try loses its server; the job runs on and the second try finds it.
  while_running_ = [] { return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "not now"); };
  EXPECT_EQ(Compress(), ExitCode::kNotAllowed);
  while_running_ = nullptr;
  EXPECT_EQ(Compress(), ExitCode::kDone) << err_;
  EXPECT_EQ(jobs_.size(), 1U);
}

TEST_F(ServerCommandsTest, CompressGoesOnFromAFailedJobAlongTheChain) {
  ends_as_ = v1::STATE_FAILED;
  EXPECT_EQ(Compress(), ExitCode::kFailed);
  EXPECT_EQ(Compress(), ExitCode::kFailed);
  ends_as_ = v1::STATE_SUCCEEDED;
  EXPECT_EQ(Compress(), ExitCode::kDone) << err_;
  std::vector<std::string> resumed;
  for (const auto& request : requests_) resumed.push_back(request.resume_from());
  const std::string first = kFirstJob;
  EXPECT_THAT(resumed, ElementsAre("", "", first, "", first, "projects/default/jobs/job-2"));
  EXPECT_EQ(jobs_.size(), 3U);
}

TEST_F(ServerCommandsTest, ConvertBeginsAnewAfterAFailedJob) {
  const std::vector<std::string> convert = {"convert", model_, "--format", "gptq", "-o", output_};
  std::filesystem::create_directories(folder_ / ".out.pivot");
  ends_as_ = v1::STATE_FAILED;
  EXPECT_EQ(RunThere(convert), ExitCode::kFailed);
  EXPECT_FALSE(Exists(".out.pivot")) << "nothing can go on from there";
  ends_as_ = v1::STATE_SUCCEEDED;
  EXPECT_EQ(RunThere(convert), ExitCode::kDone) << err_;
  for (const auto& request : requests_) EXPECT_EQ(request.resume_from(), "");
  EXPECT_EQ(jobs_.size(), 2U);
}

TEST_F(ServerCommandsTest, CompressCancelsItsJobOnCtrlC) {
  // The job runs until it is cancelled.
  while_running_ = [this] {
    interrupt_.request_stop();
    const std::lock_guard lock(mutex_);
    return cancelled_.empty() ? grpc::Status::CANCELLED : grpc::Status::OK;
  };
  EXPECT_EQ(Compress(), ExitCode::kInterrupted);
  EXPECT_THAT(cancelled_, ElementsAre(kFirstJob));
  EXPECT_THAT(err_, HasSubstr("stopping: what is finished will be kept"));
  EXPECT_FALSE(Exists("out"));
}

TEST_F(ServerCommandsTest, CompressKeepsWhatIsFetchedWhenBytesAreDamaged) {
  checkpoint_.on_message = [](const v1::ReadFileRequest& request, v1::ReadFileResponse* response) {
    if (request.path() != "config.json" && !response->data().empty()) (*response->mutable_data())[0] ^= 1;
    return true;
  };
  EXPECT_EQ(Compress(), ExitCode::kDamaged);
  EXPECT_THAT(err_, HasSubstr("the same command goes on from there"));
  EXPECT_TRUE(Exists(".out.pivot/pulled-uid-1-0/config.json"));
  checkpoint_.on_message = nullptr;
  EXPECT_EQ(Compress(), ExitCode::kDone) << err_;
  EXPECT_FALSE(Exists(".out.pivot"));
}

TEST_F(ServerCommandsTest, OneCommandAtATimeWorksOnAnOutput) {
  std::string second_error;
  ExitCode second = ExitCode::kDone;
  while_running_ = [&] {
    std::ostringstream out;
    std::ostringstream err;
    second = RunCli(Arguments({"compress", model_, "-o", output_}), {.out = &out, .err = &err});
    second_error = err.str();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Compress(), ExitCode::kDone) << err_;
  EXPECT_EQ(second, ExitCode::kFailed);
  EXPECT_THAT(second_error,
              HasSubstr("works in " + std::filesystem::canonical(folder_.path()).string() + "/.out.pivot already"));
}

TEST_F(ServerCommandsTest, CompressMakesANewJobWhenItsOwnWasDeleted) {
  EXPECT_EQ(Compress(), ExitCode::kDone) << err_;
  deleted_request_ = requests_.at(0).request_id();
  std::filesystem::remove_all(output_);
  EXPECT_EQ(Compress(), ExitCode::kDone) << err_;
  ASSERT_EQ(requests_.size(), 3U);
  EXPECT_EQ(requests_[1].request_id(), deleted_request_);
  EXPECT_NE(requests_[2].request_id(), deleted_request_);
}

TEST_F(ServerCommandsTest, CompressResumesItsSuspendedJob) {
  EXPECT_EQ(Compress(), ExitCode::kDone) << err_;
  jobs_[kFirstJob].set_state(v1::STATE_SUSPENDED);
  jobs_[kFirstJob].clear_checkpoints();
  std::filesystem::remove_all(output_);
  EXPECT_EQ(Compress(), ExitCode::kDone) << err_;
  EXPECT_THAT(err_, HasSubstr("was suspended: it is resumed"));
  EXPECT_EQ(jobs_.size(), 1U);
}

}  // namespace
}  // namespace pivot::client
