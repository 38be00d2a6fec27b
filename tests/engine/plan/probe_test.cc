// SPDX-License-Identifier: Apache-2.0
// pivot-probe as its callers meet it: a process, JSON in, JSON out.
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <spawn.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "proto/files/durable_file.h"
#include "tests/engine/format/compressed_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using ::nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct ProbeRun {
  int exit_code = -1;
  std::string output;
};

class ProbeTest : public ::testing::Test {
 protected:
  ProbeTest() { EXPECT_OK(WriteTinyModel(source_)); }

  ProbeRun Start(const std::string& input, std::vector<std::string> arguments = {}) {
    const std::string in = folder_.Write("in", input);
    const std::string out = folder_ / "out";
    arguments.insert(arguments.begin(), PIVOT_PROBE);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, in.c_str(), O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    pid_t process = 0;
    EXPECT_EQ(posix_spawn(&process, PIVOT_PROBE, &files, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&files);
    int status = -1;
    EXPECT_EQ(waitpid(process, &status, 0), process);
    return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1, .output = *ReadSmallFile(out, 1 << 24)};
  }

  json Ask(const std::string& request) {
    const ProbeRun run = Start(request);
    EXPECT_EQ(run.exit_code, 0);
    EXPECT_EQ(run.output.find('\n'), run.output.size() - 1) << "one line";
    return json::parse(run.output);
  }

  json Ask(const json& request) { return Ask(request.dump()); }

  json Compress(const char* members = "{}") {
    json task = {{"source", {{"path", source_}}}};
    task.merge_patch(json::parse(members));
    return {{"compress", task}};
  }

  TemporaryFolder folder_;
  std::string source_ = folder_ / "source";
};

void ExpectError(const json& answer, absl::string_view code, absl::string_view reason, absl::string_view message,
                 absl::string_view field = "") {
  ASSERT_TRUE(answer.contains("error")) << answer;
  EXPECT_EQ(answer["error"]["code"], std::string(code));
  EXPECT_EQ(answer["error"]["reason"], std::string(reason));
  EXPECT_THAT(answer["error"]["message"].get<std::string>(), HasSubstr(std::string(message)));
  EXPECT_EQ(answer["error"].value("field", ""), std::string(field));
}

TEST_F(ProbeTest, PlansACompression) {
  const json answer = Ask({{"spec", Compress(R"({"bits": 3})")}});
  ASSERT_TRUE(answer.contains("plan")) << answer;
  EXPECT_EQ(answer["plan"]["modules"][0]["bits"], 3);
  EXPECT_EQ(answer["plan"]["group_size"], 64);
  EXPECT_EQ(answer["plan"]["peak_gpu_bytes"], 0);
  ASSERT_THAT(answer["plan"]["devices"], SizeIs(1));
  EXPECT_EQ(answer["plan"]["devices"][0]["device"], "cpu");
}

TEST_F(ProbeTest, PlansForTheGpusThatItIsToldOf) {
  const json gpus =
      json::parse(R"([{"name": "cuda:0", "memory_bytes": 85899345920}, {"name": "cuda:1", "memory_bytes": 1048576}])");
  for (const char* device : {"", "auto", "cuda:1"}) {
    json spec = Compress();
    spec["device"] = device;
    const json plan = Ask({{"spec", spec}, {"gpus", gpus}})["plan"];
    EXPECT_GT(plan["peak_gpu_bytes"], 0);
    ASSERT_THAT(plan["devices"], SizeIs(2)) << device;
    EXPECT_EQ(plan["devices"][0]["device"], "cuda:0");
    EXPECT_EQ(plan["devices"][0]["fits"], true);
    EXPECT_EQ(plan["devices"][0]["needed_bytes"], plan["peak_gpu_bytes"]);
    EXPECT_EQ(plan["devices"][1]["device"], "cuda:1");
    EXPECT_EQ(plan["devices"][1]["fits"], false);
    EXPECT_EQ(plan["devices"][1]["available_bytes"], 1048576);
  }
  json spec = Compress();
  spec["device"] = "cpu";
  const json plan = Ask({{"spec", spec}, {"gpus", gpus}})["plan"];
  ASSERT_THAT(plan["devices"], SizeIs(1));
  EXPECT_EQ(plan["devices"][0]["device"], "cpu");
}

TEST_F(ProbeTest, NamesTheFieldOfASpecThatItRefuses) {
  ExpectError(Ask({{"spec", Compress(R"({"group_size": 48})")}}), "INVALID_ARGUMENT", "INVALID_SPEC",
              "48 does not divide", "job.spec.compress.group_size");
  ExpectError(Ask({{"spec", {{"compress", json::object()}}}}), "INVALID_ARGUMENT", "INVALID_SPEC",
              "\"path\" is missing");
}

TEST_F(ProbeTest, RefusesAModelWithoutATokenizer) {
  fs::remove(source_ + "/tokenizer.json");
  EXPECT_THAT(Ask({{"spec", Compress()}})["error"]["message"].get<std::string>(), HasSubstr("tokenizer.json"));
}

TEST_F(ProbeTest, PassesOnWhatIsWrongWithTheModel) {
  ExpectError(Ask(json::parse(R"({"spec": {"compress": {"source": {"path": "/nowhere"}}}})")), "NOT_FOUND",
              "SOURCE_NOT_FOUND", "/nowhere");
  folder_.Write("source/model.safetensors", "PK\x03\x04");
  ExpectError(Ask({{"spec", Compress()}}), "INVALID_ARGUMENT", "UNSAFE_SOURCE", "is a zip archive");
  ASSERT_OK(WriteTinyModel(source_));
  folder_.Write("source/config.json", R"({"model_type": "gpt2"})");
  ExpectError(Ask({{"spec", Compress()}}), "INVALID_ARGUMENT", "UNSUPPORTED_ARCHITECTURE",
              "supported model types: llama, mistral", "job.spec.compress.quantize.method");
}

class ProbeOfCompressedTest : public ProbeTest {
 protected:
  ProbeOfCompressedTest() {
    const ModelFolder source = *ModelFolder::Open(source_);
    EXPECT_OK(WriteCompressedModel(CompressWithZeros(source, {.bits = 4, .group_size = 32}), source, compressed_));
  }

  std::string compressed_ = folder_ / "compressed";
};

TEST_F(ProbeOfCompressedTest, RefusesToCompressTwice) {
  const json spec = {{"compress", {{"source", {{"path", compressed_}}}}}};
  ExpectError(Ask({{"spec", spec}}), "FAILED_PRECONDITION", "ALREADY_QUANTIZED", "is quantized already",
              "job.spec.compress.source");
}

TEST_F(ProbeOfCompressedTest, RefusesToCompressWhatAnotherMethodQuantized) {
  folder_.Write("source/config.json",
                R"({"quantization_config": {"quant_method": "gptq", "bits": 4},)" + TinyConfigJson({}).substr(1));
  ExpectError(Ask({{"spec", Compress()}}), "FAILED_PRECONDITION", "ALREADY_QUANTIZED", "is quantized already",
              "job.spec.compress.source");
}

TEST_F(ProbeOfCompressedTest, InspectsAndVerifies) {
  const json summary = Ask({{"inspect", compressed_}})["inspect"];
  EXPECT_EQ(summary["format"], "compressed-tensors");
  EXPECT_EQ(summary["groups"][0]["group_size"], 32);
  EXPECT_EQ(Ask({{"inspect", source_}})["inspect"]["format"], "plain");
  const json verified = Ask({{"verify", compressed_}})["verify"];
  EXPECT_EQ(verified["problems"], json::array());
  ASSERT_EQ(verified["warnings"].size(), 1U);
  EXPECT_THAT(verified["warnings"][0].get<std::string>(), HasSubstr("fits-the-fast-kernel"));
  const json shared_out = Ask({{"verify", compressed_}, {"target_tp", 4}})["verify"];
  EXPECT_THAT(shared_out["warnings"][0].get<std::string>(), HasSubstr("among 4 ranks"));
  const std::string config = *ReadSmallFile(compressed_ + "/config.json", 1 << 20);
  json damaged = json::parse(config);
  damaged["vocab_size"] = 321;
  folder_.Write("compressed/config.json", damaged.dump());
  EXPECT_THAT(Ask({{"verify", compressed_}})["verify"]["problems"].get<std::vector<std::string>>(),
              ElementsAre(HasSubstr("model.embed_tokens.weight")));
  ExpectError(Ask(json::parse(R"({"inspect": "/nowhere"})")), "NOT_FOUND", "SOURCE_NOT_FOUND", "/nowhere");
  ExpectError(Ask(json::parse(R"({"verify": "/nowhere"})")), "NOT_FOUND", "SOURCE_NOT_FOUND", "/nowhere");
}

TEST_F(ProbeOfCompressedTest, ChecksTheFoldersOfOtherTasks) {
  EXPECT_THAT(Ask({{"spec", {{"generate", {{"source", {{"path", compressed_}}}, {"prompt", "Once"}}}}}}), IsEmpty());
  const json both = {{"source", {{"path", compressed_}}}, {"reference", {{"path", source_}}}};
  EXPECT_THAT(Ask({{"spec", {{"evaluate", both}}}}), IsEmpty());
  json without = both;
  without["reference"]["path"] = "/nowhere";
  ExpectError(Ask({{"spec", {{"evaluate", without}}}}), "NOT_FOUND", "SOURCE_NOT_FOUND", "/nowhere");
  without["reference"] = nullptr;
  EXPECT_THAT(Ask({{"spec", {{"evaluate", without}}}}), IsEmpty());
}

TEST_F(ProbeOfCompressedTest, NeedsATokenizerOnlyWhereTextIsRead) {
  fs::remove(compressed_ + "/tokenizer.json");
  json task = {{"source", {{"path", compressed_}}}, {"tokens_path", ""}};
  EXPECT_TRUE(Ask({{"spec", {{"evaluate", task}}}}).contains("error"));
  task["tokens_path"] = "/tokens.safetensors";
  EXPECT_THAT(Ask({{"spec", {{"evaluate", task}}}}), IsEmpty());
}

TEST_F(ProbeTest, AnswersAnyInputWithAnError) {
  ExpectError(Ask(std::string()), "INVALID_ARGUMENT", "INVALID_ARGUMENT", "the request is not valid JSON");
  ExpectError(Ask(std::string("\xFF\xFE\0garbage", 10)), "INVALID_ARGUMENT", "INVALID_ARGUMENT",
              "the request is not valid JSON");
  ExpectError(Ask(std::string(100'000, '[')), "INVALID_ARGUMENT", "INVALID_ARGUMENT", "nested deeper than 64");
  for (const char* request :
       {"null", "[]", "5", "{}", R"({"spec": null})", R"({"spec": []})", R"({"spec": {}})",
        R"({"spec": {"device": 5}})", R"({"inspect": 5})", R"({"verify": []})", R"({"spec": {"compress": null}})",
        R"({"spec": {"compress": 5}})", R"({"spec": {"compress": {"source": {"path": 5}}}})",
        R"({"spec": {"evaluate": 5}})", R"({"spec": {"evaluate": {"source": []}}})", R"({"spec": {"generate": null}})",
        R"({"inspect": ""})", R"({"inspect": "a\u0000b"})"}) {
    EXPECT_TRUE(Ask(std::string(request)).contains("error")) << request;
  }
}

TEST_F(ProbeTest, SurvivesGpusThatMakeNoSense) {
  for (const char* gpus :
       {"null", "5", "{}", "[5]", "[{}]", R"([{"name": 5, "memory_bytes": "all"}])", R"({"a": {"name": "cuda:0"}})"}) {
    EXPECT_TRUE(Ask({{"spec", Compress()}, {"gpus", json::parse(gpus)}}).contains("plan")) << gpus;
  }
}

TEST_F(ProbeTest, SaysWhatCanBeDone) {
  const ProbeRun run = Start("", {"--capabilities"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(
      json::parse(run.output),
      json::parse(
          R"({"architectures": ["llama", "mistral", "qwen2", "qwen3", "smollm3", "gemma", "gemma2", "gemma3_text", "phi3", "opt", "olmo2", "granite", "starcoder2", "stablelm", "phi", "gpt_neox", "qwen3_moe", "mixtral"], "methods": ["gptq", "rtn"], "formats": ["compressed-tensors", "gptq", "gptq_v2", "bf16", "both", "gguf", "fp8", "nvfp4", "mxfp4", "mixed_gptq"],
                                                     "bits": [2, 3, 4, 5, 6, 7, 8], "group_sizes": [128, 64, 32]})"));
}

TEST_F(ProbeTest, RefusesOtherArguments) {
  for (const auto& arguments : {std::vector<std::string>{"--help"}, {"--capabilities", "x"}, {""}}) {
    const ProbeRun run = Start("{}", arguments);
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_EQ(run.output, "");
  }
}

}  // namespace
}  // namespace pivot
