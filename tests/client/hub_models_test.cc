// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

#include "client/source_paths.h"
#include "tests/client/cli_fixture.h"
#include "tests/support/status_matchers.h"

namespace pivot::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kCommit[] = "0123456789abcdef0123456789abcdef01234567";

/// Commands that find a model on the hub; pivot-fetch and pivot-probe are scripts.
class HubModelsTest : public CliTest {
 protected:
  HubModelsTest() {
    WriteProgram("pivot-probe", absl::StrCat("cat > ", folder_ / "probed", R"(; echo '{"inspect": {}}')"));
    Fetch(absl::StrCat(R"({"fetch": {"path": ")", model_, R"(", "commit": ")", kCommit, R"(", "fetched_bytes": 5}})"));
  }

  /// What pivot-fetch says.
  void Fetch(const std::string& lines) {
    WriteProgram("pivot-fetch", absl::StrCat("cat > ", folder_ / "asked", "\ncat << 'END'\n", lines, "\nEND\n"));
  }

  std::string Content(const std::string& name) const {
    std::ifstream file(folder_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

TEST_F(HubModelsTest, AreFetchedByName) {
  for (const char* model : {"hf://org/name@v1", "org/name@v1"}) {
    EXPECT_EQ(Run({"inspect", model}), ExitCode::kDone) << err_;
    EXPECT_EQ(nlohmann::json::parse(Content("asked"))["source"], "hf://org/name@v1");
    EXPECT_EQ(nlohmann::json::parse(Content("probed"))["inspect"], model_);
    EXPECT_THAT(err_, HasSubstr("hf://org/name@v1 at commit 0123456789ab: 5 B fetched"));
  }
}

TEST_F(HubModelsTest, HeadersGoIntoAFolderThatGoes) {
  EXPECT_EQ(Run({"inspect", "hf://org/name"}), ExitCode::kDone) << err_;
  const std::string folder = nlohmann::json::parse(Content("asked"))["headers_folder"];
  EXPECT_NE(folder, "");
  EXPECT_FALSE(std::filesystem::exists(folder));
  Run({"generate", "hf://org/name", "--prompt", "x"});
  EXPECT_FALSE(nlohmann::json::parse(Content("asked")).contains("headers_folder")) << "weights are needed";
}

TEST_F(HubModelsTest, TellProgressBesideTheAnswer) {
  Fetch(absl::StrCat(R"({"progress": {"done_bytes": 1000, "total_bytes": 2000, "bytes_per_second": 100, "path": "a"}}
{"note": "a sentence"}
{"fetch": {"path": ")",
                     model_, R"(", "commit": ")", kCommit, R"(", "fetched_bytes": 0}})"));
  EXPECT_EQ(Run({"inspect", "hf://org/name", "--json"}), ExitCode::kDone);
  EXPECT_EQ(Lines().size(), 1) << out_;
  EXPECT_THAT(err_, AllOf(HasSubstr("fetch: 1.00 kB of 2.00 kB, 100 B/s"), HasSubstr("a sentence")));
  EXPECT_EQ(Run({"inspect", "hf://org/name", "-q"}), ExitCode::kDone);
  EXPECT_EQ(err_, "");
}

TEST_F(HubModelsTest, ErrorsAreThoseOfTheFetch) {
  Fetch(R"({"error": {"code": "PERMISSION_DENIED", "reason": "HUB_ACCESS_DENIED", "message": "it is gated"}})");
  EXPECT_EQ(Run({"inspect", "hf://org/name", "--json"}), ExitCode::kNotAllowed);
  EXPECT_EQ(Lines()[0]["error"]["reason"], "HUB_ACCESS_DENIED");
  EXPECT_EQ(Run({"inspect", "org/name"}), ExitCode::kNotAllowed);
  EXPECT_THAT(err_, HasSubstr("there is no folder org/name here, and as a model of the hub: it is gated"));
  WriteProgram("pivot-fetch", "echo words >&2; kill -9 $$\n");
  EXPECT_EQ(Run({"inspect", "hf://org/name"}), ExitCode::kFailed);
  EXPECT_THAT(err_, AllOf(HasSubstr("signal 9"), HasSubstr("words")));
  std::filesystem::remove(folder_ / "bin/pivot-fetch");
  EXPECT_EQ(Run({"inspect", "hf://org/name"}), ExitCode::kFailed);
  EXPECT_THAT(err_, HasSubstr("pivot-fetch is not at"));
}

TEST_F(HubModelsTest, PathsAreNoNames) {
  for (const std::string& model : {folder_ / "nowhere", std::string("./org/name"), std::string("name")}) {
    EXPECT_EQ(Run({"inspect", model}), ExitCode::kFailed);
    EXPECT_THAT(err_, HasSubstr("does not exist"));
  }
  EXPECT_EQ(Run({"inspect", "hf://org/name@"}), ExitCode::kFailed);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "asked"));
}

TEST_F(HubModelsTest, ABadOutputIsFoundBeforeTheyAreFetched) {
  folder_.Write("out/file", "x");
  EXPECT_EQ(Run({"compress", "hf://org/name", "-o", folder_ / "out"}), ExitCode::kUsage);
  EXPECT_EQ(Run({"convert", "hf://org/name", "--format", "gptq", "-o", folder_ / "out"}), ExitCode::kUsage);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "asked"));
}

TEST_F(HubModelsTest, AServerElsewhereGetsNone) {
  EXPECT_EQ(Run({"submit", "hf://org/name", "--server", "elsewhere:1"}), ExitCode::kFailed);
  EXPECT_THAT(err_, HasSubstr("not on this machine"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "asked"));
  EXPECT_EQ(Run({"submit", "hf://org/name", "--server", "unix:" + (folder_ / "nobody")}), ExitCode::kUnreachable);
}

TEST_F(HubModelsTest, AnInterruptEndsTheFetch) {
  WriteProgram("pivot-fetch", "exec sleep 60\n");
  interrupt_.request_stop();
  EXPECT_EQ(Run({"inspect", "hf://org/name"}), ExitCode::kInterrupted);
}

TEST(ModelLabelTest, IsTheNameOfARepository) {
  EXPECT_EQ(ModelLabel("/cache/models--Qwen--Qwen3-8B/snapshots/0123"), "Qwen3-8B");
  EXPECT_EQ(ModelLabel("/cache/models--gpt2/snapshots/0123"), "gpt2");
  EXPECT_EQ(ModelLabel("/models/Qwen3-8B"), "Qwen3-8B");
  EXPECT_EQ(ModelLabel("/models/x-Q4_0.gguf"), "x-Q4_0");
}

}  // namespace
}  // namespace pivot::client
