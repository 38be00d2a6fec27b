// SPDX-License-Identifier: Apache-2.0
// Arguments, exit codes and the commands that need no server.
#include "client/cli.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "client/commands/command.h"
#include "proto/files/manifest.h"
#include "proto/files/sha256.h"
#include "tests/client/cli_fixture.h"
#include "tests/client/fake_checkpoint.h"

namespace pivot::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

struct WrongUsage {
  std::string name;
  std::vector<std::string> arguments;
  std::string message;
};

class UsageTest : public CliTest, public ::testing::WithParamInterface<WrongUsage> {};

TEST_P(UsageTest, EndsWithTwoAndASentence) {
  std::vector<std::string> arguments = GetParam().arguments;
  for (std::string& argument : arguments) argument = argument == "MODEL" ? model_ : argument;
  EXPECT_EQ(Run(arguments), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr(GetParam().message));
  EXPECT_THAT(err_, StartsWith("pivot: "));
  EXPECT_THAT(out_, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    All, UsageTest,
    ::testing::Values(
        WrongUsage{"no_command", {}, "no command was given"},
        WrongUsage{"unknown_command", {"frobnicate"}, "there is no command \"frobnicate\""},
        WrongUsage{"unknown_flag", {"compress", "MODEL", "--frob"}, "unknown argument --frob"},
        WrongUsage{"flag_of_a_later_version", {"compress", "MODEL", "--distill", "5"}, "unknown argument"},
        WrongUsage{"two_budgets", {"compress", "MODEL", "--bits", "4", "--bits", "3"}, "--bits"},
        WrongUsage{"missing_argument", {"compress"}, "MODEL is required; `pivot compress --help`"},
        WrongUsage{"extra_argument", {"compress", "MODEL", "b"}, "unknown argument b"},
        WrongUsage{"bits_too_few", {"compress", "MODEL", "--bits", "1.5"}, "--bits is 1.5; allowed: 2 to 8"},
        WrongUsage{"two_kinds_of_budget", {"compress", "MODEL", "--bits", "4", "--max-size", "1GB"}, "--max-size"},
        WrongUsage{"context_without_memory", {"plan", "MODEL", "--context", "100"}, "--vram"},
        WrongUsage{"no_size", {"plan", "MODEL", "--max-size", "big"}, "--max-size is \"big\"; allowed"},
        WrongUsage{
            "a_folder_for_a_plan", {"plan", "MODEL", "--plan", "/tmp"}, "--plan is \"/tmp\"; allowed: auto, uniform"},
        WrongUsage{"no_such_plan",
                   {"plan", "MODEL", "--plan", "best"},
                   "--plan is \"best\"; allowed: auto, uniform, or a file"},
        WrongUsage{"bits_too_many", {"plan", "MODEL", "--bits", "9"}, "--bits is 9; allowed"},
        WrongUsage{"bits_no_number", {"plan", "MODEL", "--bits", "four"}, "--bits"},
        WrongUsage{"group_size",
                   {"plan", "MODEL", "--group-size", "0"},
                   "--group-size is \"0\"; allowed: auto, row, or a number"},
        WrongUsage{"method", {"plan", "MODEL", "--method", "awq"}, "--method is \"awq\"; allowed: gptq, rtn"},
        WrongUsage{"percdamp", {"plan", "MODEL", "--percdamp", "0"}, "--percdamp is 0; allowed: above 0 up to 1"},
        WrongUsage{"qep", {"plan", "MODEL", "--qep", "1.5"}, "--qep is 1.5; allowed: 0 to 1"},
        WrongUsage{"clip", {"plan", "MODEL", "--clip", "mse"}, "allowed: none, conditional"},
        WrongUsage{
            "signs", {"plan", "MODEL", "--scale-signs", "any"}, "--scale-signs is \"any\"; allowed: positive, either"},
        WrongUsage{"regularization",
                   {"plan", "MODEL", "--regularization", "101"},
                   "--regularization is 101; allowed: 0 to 100"},
        WrongUsage{"sweeps", {"plan", "MODEL", "--refine-sweeps", "-1"}, "--refine-sweeps is -1; allowed: 0 to 100"},
        WrongUsage{"device", {"plan", "MODEL", "--device", "cuda"}, "--device is \"cuda\"; allowed: auto, cpu, cuda:N"},
        WrongUsage{
            "dtype", {"plan", "MODEL", "--dtype", "fp16"}, "--dtype is \"fp16\"; allowed: auto, float32, bfloat16"},
        WrongUsage{"samples", {"plan", "MODEL", "--samples", "-3"}, "--samples"},
        WrongUsage{"eval_tokens", {"plan", "MODEL", "--eval", "none", "--eval-tokens", "9"}, "leave out --eval-tokens"},
        WrongUsage{"no_server", {"ls"}, "`pivot ls` speaks to a running server"},
        WrongUsage{"bad_server", {"ls", "--server", "here"}, "\"here\" is not a server's address"},
        WrongUsage{"bad_job", {"get", "A/B", "--server", "a:1"}, "\"A/B\" is not a job's name"},
        WrongUsage{"bad_pivot", {"pull", "job:x", "--server", "a:1"}, "\"x\" is not the number of a pivot"},
        WrongUsage{"tokens_alone", {"eval", "MODEL", "--tokens", "t"}, "go together"},
        WrongUsage{
            "tokens_and_text", {"eval", "MODEL", "--tokens", "t", "--logits", "l", "--text", "x"}, "scores no text"},
        WrongUsage{"format",
                   {"plan", "MODEL", "--format", "awq"},
                   "allowed: compressed-tensors, gptq, gptq_v2, bf16, both, gguf, fp8, nvfp4, mxfp4, mixed_gptq"},
        WrongUsage{"format_of_convert", {"plan", "MODEL", "--format", "bf16"}, "--format bf16 is for pivot convert"},
        WrongUsage{"convert_without_format", {"convert", "MODEL", "-o", "out"}, "--format is required"},
        WrongUsage{"shard_size",
                   {"convert", "MODEL", "--format", "gptq", "-o", "out", "--shard-size", "5 GB"},
                   "--shard-size is \"5 GB\"; allowed: a whole number of bytes, kB"},
        WrongUsage{"shard_size_of_none",
                   {"convert", "MODEL", "--format", "gptq", "-o", "out", "--shard-size", "0GB"},
                   "--shard-size is \"0GB\""},
        WrongUsage{"shard_size_beyond_all",
                   {"convert", "MODEL", "--format", "gptq", "-o", "out", "--shard-size", "9999999999TB"},
                   "--shard-size is"},
        WrongUsage{"prompt", {"generate", "MODEL"}, "--prompt is required"},
        WrongUsage{"max_tokens", {"generate", "MODEL", "--prompt", "a", "--max-tokens", "0"}, "--max-tokens is 0"}),
    [](const auto& usage) { return usage.param.name; });

TEST_F(CliTest, PrintsHelpForEveryCommand) {
  EXPECT_EQ(Run({"--help"}), ExitCode::kDone);
  for (const Command& command : Commands()) {
    const std::string general = out_;
    EXPECT_THAT(general, HasSubstr(std::string(command.name)));
    EXPECT_EQ(Run({std::string(command.name), "--help"}), ExitCode::kDone);
    EXPECT_THAT(out_, HasSubstr(absl::StrCat("pivot ", command.name)));
    out_ = general;
  }
}

TEST_F(CliTest, PrintsItsVersion) {
  EXPECT_EQ(Run({"--version"}), ExitCode::kDone);
  EXPECT_EQ(out_, "pivot 0.1.0\n");
}

TEST_F(CliTest, GivesErrorsAsJsonWhenAsked) {
  EXPECT_EQ(Run({"plan", "/nowhere", "--json"}), ExitCode::kFailed);
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), 1U);
  const nlohmann::json& error = lines[0]["error"];
  EXPECT_EQ(error["code"], "NOT_FOUND");
  EXPECT_EQ(error["reason"], "SOURCE_NOT_FOUND");
  EXPECT_THAT(error["message"], HasSubstr("/nowhere does not exist"));
  EXPECT_EQ(error["field"], "");
  EXPECT_EQ(Run({"compress", "--json", "--frob"}), ExitCode::kUsage);
  EXPECT_EQ(Lines()[0]["error"]["reason"], "USAGE");
}

TEST_F(CliTest, SaysMoreOfAnErrorWithV) {
  EXPECT_EQ(Run({"plan", "/nowhere", "-v"}), ExitCode::kFailed);
  EXPECT_THAT(err_, HasSubstr("[NOT_FOUND, SOURCE_NOT_FOUND]"));
}

TEST_F(CliTest, RefusesSourcesItCannotRead) {
  EXPECT_EQ(Run({"compress", "s3://bucket/name"}), ExitCode::kFailed);
  EXPECT_THAT(err_, HasSubstr("give a folder"));
  EXPECT_EQ(Run({"compress", folder_.Write("file", "x")}), ExitCode::kFailed);
  EXPECT_THAT(err_, HasSubstr("is not a folder"));
}

TEST_F(CliTest, ChecksTheOutputBeforeAnyWork) {
  folder_.Write("out/file", "x");
  EXPECT_EQ(Run({"compress", model_, "-o", folder_ / "out"}), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("is not empty: add --overwrite"));
  EXPECT_EQ(Run({"compress", model_, "-o", model_, "--overwrite"}), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("would replace the model"));
}

TEST_F(CliTest, LeavesNothingWhenThePrivateServerDoesNotStart) {
  WriteProgram("pivotd", "echo 'pivotd: no space left' >&2; exit 1");
  EXPECT_EQ(Run({"compress", model_, "-o", folder_ / "out"}), ExitCode::kFailed);
  EXPECT_EQ(err_, "pivot: no space left\n");
  EXPECT_FALSE(std::filesystem::exists(folder_ / ".out.pivot"));
}

TEST_F(CliTest, AsksTheProbeForAPlan) {
  WriteProgram("pivot-probe", absl::StrCat("cat > ", folder_ / "question",
                                           "; echo '{\"plan\": {\"status\": \"estimated\", \"total_bytes\": 7}}'"));
  EXPECT_EQ(Run({"plan", model_, "--bits", "3", "--json"}), ExitCode::kDone);
  EXPECT_EQ(Lines()[0]["total_bytes"], 7);
  EXPECT_EQ(Lines()[0]["status"], "estimated");
  std::ifstream file(folder_ / "question");
  const auto question = nlohmann::json::parse(file);
  EXPECT_EQ(question["spec"]["compress"]["bits"], 3);
  EXPECT_EQ(question["spec"]["compress"]["source"]["path"], std::filesystem::canonical(model_).string());
}

TEST_F(CliTest, MeasuresNoPlanButAnAutomaticOne) {
  EXPECT_EQ(Run({"plan", model_, "--bits", "4", "--plan", "uniform", "--measure"}), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("--measure goes with --plan auto"));
}

TEST_F(CliTest, PassesOnTheProbesRefusal) {
  WriteProgram("pivot-probe",
               "echo '{\"error\": {\"code\": \"FAILED_PRECONDITION\", \"reason\": \"UNSUPPORTED_ARCHITECTURE\", "
               "\"message\": \"model_type mamba is not supported\", \"field\": \"f\"}}'");
  EXPECT_EQ(Run({"inspect", model_, "--json"}), ExitCode::kFailed);
  EXPECT_EQ(Lines()[0]["error"]["reason"], "UNSUPPORTED_ARCHITECTURE");
  EXPECT_EQ(Lines()[0]["error"]["field"], "f");
}

TEST_F(CliTest, SurvivesAProbeThatDies) {
  WriteProgram("pivot-probe", "echo words >&2; kill -11 $$");
  EXPECT_EQ(Run({"inspect", model_}), ExitCode::kFailed);
  EXPECT_THAT(err_, HasSubstr("was ended by signal 11"));
  EXPECT_THAT(err_, HasSubstr("words"));
}

TEST_F(CliTest, InspectsAFolder) {
  WriteProgram("pivot-probe",
               "echo '{\"inspect\": {\"architecture\": \"llama\", \"parameters\": 134515008, \"weight_bytes\": 1000, "
               "\"files\": 2, "
               "\"format\": \"compressed-tensors\", \"bits_per_weight\": 4.25, "
               "\"groups\": [{\"bits\": 4, \"group_size\": 64, \"modules\": 210}], \"dtypes\": {\"I32\": 210}}}'");
  EXPECT_EQ(Run({"inspect", model_}), ExitCode::kDone);
  EXPECT_THAT(out_, HasSubstr("parameters                         134,515,008\n"));
  EXPECT_THAT(out_, HasSubstr("210 layers of 4 bits, group size 64"));
  EXPECT_EQ(Run({"inspect", model_, "--json"}), ExitCode::kDone);
  EXPECT_EQ(Lines()[0]["parameters"], 134515008);
}

class VerifyTest : public CliTest {
 protected:
  VerifyTest() {
    WriteProgram("pivot-probe", "echo '{\"verify\": {\"problems\": []}}'");
    checkpoint_.files = {{"config.json", "{}"}, {"model.safetensors", SomeBytes(2500, 1)}};
    for (const auto& [path, bytes] : checkpoint_.files) folder_.Write("made/" + path, bytes);
    folder_.Write("made/pivot/manifest.json", ManifestToJson(checkpoint_.Manifest()));
  }
  FakeCheckpoint checkpoint_;
};

TEST_F(VerifyTest, PassesAnIntactFolder) {
  EXPECT_EQ(Run({"verify", folder_ / "made"}), ExitCode::kDone);
  EXPECT_THAT(out_, HasSubstr("2 files with the right hashes, structure is right"));
}

TEST_F(VerifyTest, NamesEveryFault) {
  std::string bytes = checkpoint_.files["model.safetensors"];
  bytes[1500] ^= 1;
  folder_.Write("made/model.safetensors", bytes);
  folder_.Write("made/stray", "x");
  std::filesystem::remove(folder_ / "made/config.json");
  EXPECT_EQ(Run({"verify", folder_ / "made"}), ExitCode::kDamaged);
  EXPECT_THAT(out_, HasSubstr("config.json: is missing"));
  EXPECT_THAT(out_, HasSubstr("model.safetensors: is damaged between byte 1000 and 2000"));
  EXPECT_THAT(out_, HasSubstr("stray: is not in the manifest"));
  EXPECT_THAT(err_, HasSubstr("has 3 faults"));
  EXPECT_EQ(Run({"verify", folder_ / "made", "--json"}), ExitCode::kDamaged);
  EXPECT_EQ(Lines()[0]["problems"].size(), 3U);
  EXPECT_EQ(Lines()[1]["error"]["reason"], "FOLDER_DAMAGED");
}

TEST_F(VerifyTest, ReportsADamagedManifestAndABadStructure) {
  WriteProgram("pivot-probe", "echo '{\"verify\": {\"problems\": [\"tensor x is missing\"]}}'");
  folder_.Write("made/pivot/manifest.json", "{");
  EXPECT_EQ(Run({"verify", folder_ / "made"}), ExitCode::kDamaged);
  EXPECT_THAT(out_, HasSubstr("pivot/manifest.json: this is not a manifest"));
  EXPECT_THAT(out_, HasSubstr("tensor x is missing"));
}

/// One of the folders of an output that has several.
TEST_F(VerifyTest, FindsTheManifestOfTheWholeOutput) {
  checkpoint_.files = {{"gptq/config.json", "{}"}, {"gptq/a.safetensors", "abc"}, {"other/config.json", "x"}};
  std::filesystem::remove_all(folder_ / "made");
  for (const auto& [path, bytes] : checkpoint_.files) folder_.Write("made/" + path, bytes);
  folder_.Write("made/pivot/manifest.json", ManifestToJson(checkpoint_.Manifest()));
  EXPECT_EQ(Run({"verify", folder_ / "made/gptq"}), ExitCode::kDone);
  EXPECT_THAT(out_, HasSubstr("gptq: 2 files with the right hashes, structure is right"));
  folder_.Write("made/gptq/a.safetensors", "abd");
  folder_.Write("made/other/config.json", "y");
  EXPECT_EQ(Run({"verify", folder_ / "made/gptq"}), ExitCode::kDamaged);
  EXPECT_THAT(out_, HasSubstr("a.safetensors: is damaged between byte 0 and 3"));
  EXPECT_THAT(out_, Not(HasSubstr("other")));
  EXPECT_EQ(Run({"verify", folder_ / "made"}), ExitCode::kDamaged);
  EXPECT_THAT(out_, HasSubstr("other/config.json: is damaged"));
}

TEST_F(VerifyTest, ChecksOnlyTheStructureWithoutAManifest) {
  EXPECT_EQ(Run({"verify", model_}), ExitCode::kDone);
  EXPECT_THAT(err_, HasSubstr("has no pivot/manifest.json: its structure was checked, its bytes could not be"));
  WriteProgram("pivot-probe", "echo '{\"error\": {\"code\": \"INVALID_ARGUMENT\", \"message\": \"the header lies\"}}'");
  EXPECT_EQ(Run({"verify", model_}), ExitCode::kDamaged);
  EXPECT_THAT(out_, HasSubstr("the header lies"));
}

TEST_F(CliTest, TokenizesNothingThatIsNoString) {
  EXPECT_EQ(Run({"tokenize", model_, "--jsonl", folder_.Write("lines", "{}\n")}), ExitCode::kFailed);
  EXPECT_THAT(err_, HasSubstr("tokenizer.json"));
}

}  // namespace
}  // namespace pivot::client
