// SPDX-License-Identifier: Apache-2.0
// The commands that speak to a server, against one whose answers are written here.
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "client/jobs.h"
#include "tests/client/cli_fixture.h"
#include "tests/client/fake_checkpoint.h"

namespace pivot::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kFirstJob[] = "projects/default/jobs/job-1";

/// A server that knows jobs by their request ids, and lets each run in the moment it is watched.
class ServerCommandsTest : public CliTest {
 protected:
  ServerCommandsTest() {
    checkpoint_.files = {{"config.json", "{}"}, {"model-00001.safetensors", SomeBytes(2500, 1)}};
    FakeMethods methods;
    checkpoint_.Serve(&methods);
    methods.create_job = [this](const v1::CreateJobRequest& request, v1::Job* job) { return Create(request, job); };
    methods.get_job = [this](const v1::GetJobRequest& request, v1::Job* job) { return Find(request.name(), job); };
    methods.cancel_job = [this](const v1::CancelJobRequest& request, v1::Job* job) {
      const std::lock_guard lock(mutex_);
      cancelled_.push_back(request.name());
      *job = jobs_[request.name()];
      job->set_state(v1::STATE_CANCELLING);
      return grpc::Status::OK;
    };
    methods.list_jobs = [this](const v1::ListJobsRequest&, v1::ListJobsResponse* page) {
      const std::lock_guard lock(mutex_);
      for (const auto& [name, job] : jobs_) *page->add_jobs() = job;
      return grpc::Status::OK;
    };
    methods.watch_job = [this](const v1::WatchJobRequest& request, const auto& send) { return Watch(request, send); };
    methods.get_capabilities = [](const v1::GetCapabilitiesRequest&, v1::ServerCapabilities* capabilities) {
      capabilities->set_version("9.9");
      capabilities->add_devices()->set_name("cpu");
      return grpc::Status::OK;
    };
    service_ = std::make_unique<FakeService>(std::move(methods));
  }

  std::vector<std::string> Arguments(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--server", service_->address()});
    return arguments;
  }
  ExitCode RunThere(const std::vector<std::string>& arguments) { return Run(Arguments(arguments)); }
  ExitCode Compress() { return RunThere({"compress", model_, "-o", output_}); }

  grpc::Status Create(const v1::CreateJobRequest& request, v1::Job* job) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    std::string& name = names_by_request_[request.request_id()];
    if (name.empty()) {
      name = "projects/default/jobs/job-" + std::to_string(names_by_request_.size());
      v1::Job& created = jobs_[name];
      created.set_name(name);
      created.set_uid("uid-" + std::to_string(names_by_request_.size()));
      *created.mutable_spec() = request.job().spec();
      created.set_state(v1::STATE_QUEUED);
      created.mutable_plan()->set_source_bytes(10'000);
    }
    *job = jobs_[name];
    return grpc::Status::OK;
  }

  grpc::Status Find(const std::string& name, v1::Job* job) {
    const std::lock_guard lock(mutex_);
    if (!jobs_.contains(name)) return {grpc::StatusCode::NOT_FOUND, "there is no job " + name};
    *job = jobs_[name];
    return grpc::Status::OK;
  }

  template <typename Send>
  grpc::Status Watch(const v1::WatchJobRequest& request, const Send& send) {
    v1::JobEvent event;
    event.set_job(request.name());
    if (request.after_seq() == 0) {
      event.set_seq(1);
      event.mutable_quality_measured()->set_subject("original");
      event.mutable_quality_measured()->mutable_quality()->set_perplexity(23.5);
      send(event);
      if (while_running_) {
        const grpc::Status status = while_running_();
        if (!status.ok()) return status;
      }
    }
    event.set_seq(2);
    const std::lock_guard lock(mutex_);
    v1::Job& job = jobs_[request.name()];
    job.set_state(cancelled_.empty() ? ends_as_ : v1::STATE_CANCELLED);
    event.mutable_state_changed()->set_to(job.state());
    if (job.state() == v1::STATE_FAILED) {
      job.mutable_error()->set_code(13);
      job.mutable_error()->set_message("the worker crashed");
    }
    if (job.state() == v1::STATE_SUCCEEDED) Publish(&job);
    send(event);
    return grpc::Status::OK;
  }

  static void Publish(v1::Job* job) {
    if (job->spec().has_generate()) {
      job->mutable_result()->mutable_generation()->set_text("and so on");
    } else if (job->spec().has_evaluate()) {
      job->mutable_result()->mutable_quality()->set_perplexity(24.5);
    }
    v1::CheckpointRef* checkpoint = job->add_checkpoints();
    checkpoint->set_name(job->name() + "/checkpoints/0");
    checkpoint->set_bytes(2502);
    checkpoint->set_bits_per_weight(4.25);
    checkpoint->mutable_quality()->set_perplexity(24.25);
  }

  bool Exists(const std::string& name) const { return std::filesystem::exists(folder_ / name); }

  std::mutex mutex_;
  FakeCheckpoint checkpoint_;
  std::vector<v1::CreateJobRequest> requests_;
  std::map<std::string, std::string> names_by_request_;
  std::map<std::string, v1::Job> jobs_;
  std::vector<std::string> cancelled_;
  v1::State ends_as_ = v1::STATE_SUCCEEDED;
  std::function<grpc::Status()> while_running_;
  std::unique_ptr<FakeService> service_;
  std::string output_ = folder_ / "out";
};

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
  EXPECT_EQ(RunThere({"compress",      model_,    "-o",        output_, "--bits",      "3",
                      "--group-size",  "32",      "--method",  "rtn",   "--percdamp",  "0.05",
                      "--qep",         "0",       "--clip",    "power", "--act-order", "none",
                      "--calibration", text,      "--samples", "7",     "--seq-len",   "99",
                      "--seed",        "5",       "--eval",    "none",  "--device",    "cuda:1",
                      "--dtype",       "bfloat16"}),
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
  EXPECT_EQ(task.quantize().clip_search(), v1::CLIP_SEARCH_POWER);
  EXPECT_EQ(task.quantize().act_order(), v1::ACT_ORDER_NONE);
  EXPECT_EQ(task.calibration().text_path(), text);
  EXPECT_EQ(task.calibration().num_samples(), 7);
  EXPECT_EQ(task.calibration().sequence_length(), 99);
  EXPECT_EQ(task.calibration().seed(), 5);
  EXPECT_TRUE(task.evaluation().skip());
  EXPECT_EQ(task.compute_dtype(), v1::COMPUTE_DTYPE_BFLOAT16);
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

TEST_F(ServerCommandsTest, SubmitPrintsTheNameAndWaitsOnlyWhenAsked) {
  EXPECT_EQ(RunThere({"submit", model_}), ExitCode::kDone);
  EXPECT_EQ(out_, std::string(kFirstJob) + "\n");
  EXPECT_EQ(jobs_[kFirstJob].state(), v1::STATE_QUEUED);
  ends_as_ = v1::STATE_FAILED;
  EXPECT_EQ(RunThere({"submit", model_, "--wait"}), ExitCode::kFailed);
  EXPECT_EQ(jobs_.size(), 2U);
}

TEST_F(ServerCommandsTest, WatchLeavesTheJobAloneOnCtrlC) {
  EXPECT_EQ(RunThere({"submit", model_}), ExitCode::kDone);
  while_running_ = [this] {
    interrupt_.request_stop();
    return grpc::Status::OK;
  };
  EXPECT_EQ(RunThere({"watch", "job-1"}), ExitCode::kInterrupted);
  EXPECT_THAT(cancelled_, IsEmpty());
  EXPECT_THAT(err_, HasSubstr("the job goes on"));
}

TEST_F(ServerCommandsTest, LooksAtJobs) {
  EXPECT_EQ(RunThere({"submit", model_}), ExitCode::kDone);
  EXPECT_EQ(RunThere({"ls"}), ExitCode::kDone);
  EXPECT_THAT(out_, HasSubstr("job-1  queued  compress 4 bit"));
  EXPECT_EQ(RunThere({"get", "job-1", "--json"}), ExitCode::kDone);
  EXPECT_EQ(Lines()[0]["state"], "queued");
  EXPECT_EQ(RunThere({"watch", "job-1"}), ExitCode::kDone);
  EXPECT_THAT(out_, HasSubstr("succeeded"));
  EXPECT_EQ(RunThere({"cancel", kFirstJob}), ExitCode::kDone);
  EXPECT_EQ(out_, std::string(kFirstJob) + " cancelling\n");
  EXPECT_EQ(RunThere({"get", "other"}), ExitCode::kFailed);
  EXPECT_THAT(err_, HasSubstr("there is no job projects/default/jobs/other"));
}

TEST_F(ServerCommandsTest, PullsTheNewestOrANumberedPivot) {
  EXPECT_EQ(RunThere({"submit", model_}), ExitCode::kDone);
  EXPECT_EQ(RunThere({"pull", "job-1", output_}), ExitCode::kFailed);
  EXPECT_THAT(err_, HasSubstr("has published nothing yet"));
  EXPECT_EQ(RunThere({"watch", "job-1"}), ExitCode::kDone);
  EXPECT_EQ(RunThere({"pull", "job-1:3", output_}), ExitCode::kFailed);
  EXPECT_THAT(err_, HasSubstr("has no pivot 3"));
  EXPECT_EQ(RunThere({"pull", "job-1:0", output_, "--json"}), ExitCode::kDone) << err_;
  EXPECT_EQ(Lines().back()["fetched_bytes"], 2502);
  EXPECT_TRUE(Exists("out/pivot/manifest.json"));
  EXPECT_EQ(RunThere({"pull", "job-1", output_, "--json"}), ExitCode::kDone);
  EXPECT_EQ(Lines().back()["kept_bytes"], 2502);
}

TEST_F(ServerCommandsTest, EvaluatesAndGenerates) {
  EXPECT_EQ(RunThere({"eval", model_, "--reference", model_, "--json"}), ExitCode::kDone);
  ASSERT_EQ(Lines().size(), 1U);
  EXPECT_EQ(Lines()[0]["perplexity"], 24.5);
  EXPECT_EQ(requests_.back().job().spec().evaluate().reference().path(), model_);
  EXPECT_EQ(RunThere({"generate", model_, "--prompt", "Once", "--max-tokens", "3"}), ExitCode::kDone);
  EXPECT_EQ(out_, "and so on\n");
  EXPECT_EQ(requests_.back().job().spec().generate().max_tokens(), 3);
}

TEST_F(ServerCommandsTest, FetchesLogits) {
  checkpoint_.files["logits.safetensors"] = SomeBytes(3333, 5);
  const std::string logits = folder_ / "logits.out";
  EXPECT_EQ(RunThere({"eval", model_, "--tokens", folder_.Write("tokens", "t"), "--logits", logits}), ExitCode::kDone)
      << err_;
  EXPECT_EQ(std::filesystem::file_size(logits), 3333U);
}

TEST_F(ServerCommandsTest, ReadsTheServerFromTheEnvironment) {
  setenv("PIVOT_SERVER", service_->address().c_str(), 1);
  EXPECT_EQ(Run({"capabilities", "--json"}), ExitCode::kDone);
  EXPECT_EQ(Lines()[0]["version"], "9.9");
  EXPECT_EQ(Run({"devices"}), ExitCode::kDone);
  EXPECT_THAT(out_, HasSubstr("cpu"));
}

TEST_F(ServerCommandsTest, SaysThatTheServerIsAway) {
  service_->Stop();
  EXPECT_EQ(RunThere({"ls"}), ExitCode::kUnreachable);
  EXPECT_THAT(err_, HasSubstr("does not answer"));
  service_->Start();
}

}  // namespace
}  // namespace pivot::client
