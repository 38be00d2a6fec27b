// SPDX-License-Identifier: Apache-2.0
// Data sets in every form through a whole compression of a tiny model.
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"

#include "engine/compress.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr char kChatMl[] =
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|end|>\n' }}{% endfor "
    "%}";

class CalibrationDataTest : public ::testing::Test {
 protected:
  CalibrationDataTest() { EXPECT_OK(WriteTinyModel(model_, {.num_blocks = 1})); }

  /// The report's part on calibration.
  absl::StatusOr<json> Run(const std::string& name, const std::string& content, json calibration) {
    folder_.Write(name, content);
    calibration["text_path"] = folder_ / name;
    calibration.emplace("num_samples", 4);
    calibration.emplace("sequence_length", 32);
    const json task{{"source", {{"path", model_}}},
                    {"group_size", 32},
                    {"calibration", calibration},
                    {"evaluation", {{"text_path", folder_ / name}, {"max_tokens", 200}}},
                    {"compute_dtype", "float32"}};
    const std::string staging = folder_ / absl::StrCat("staging", ++runs_);
    EXPECT_OK(MakeFolders(staging));
    auto device = OpenDevice("cpu", 1);
    EXPECT_OK(device);
    PIVOT_RETURN_IF_ERROR(
        Compress({.task = task, .job_name = "projects/default/jobs/test", .staging_folder = staging}, *device, {}));
    return json::parse(*ReadSmallFile(staging + "/pivot-0/pivot/report.json", size_t{1} << 20)).at("calibration");
  }

  TemporaryFolder folder_;
  std::string model_ = folder_ / "model";
  int runs_ = 0;
};

TEST_F(CalibrationDataTest, ThePlainTextIsReportedAsOneDocument) {
  ASSERT_OK_AND_ASSIGN(const json report, Run("a.txt", PseudoEnglish(300), {}));
  EXPECT_EQ(report["strategy"], "concat_rand");
  EXPECT_EQ(report["format"], "text");
  EXPECT_EQ(report["windows"], 4);
  EXPECT_EQ(report["tokens_used"], 4 * 32);
  EXPECT_LE(report["distinct_tokens"], 4 * 32);
  EXPECT_EQ(report["documents"]["kept"], 1);
}

TEST_F(CalibrationDataTest, DocumentsAreCountedByWhatBecameOfThem) {
  std::string lines = "{\"body\": \"\"}\n{\"body\": \"short\"}\n";
  for (int i = 0; i < 6; ++i) absl::StrAppend(&lines, json{{"body", PseudoEnglish(60, i)}}.dump(), "\n");
  folder_.Write("eval.txt", PseudoEnglish(300));
  folder_.Write("a.jsonl", lines);
  const auto report = Run("a.jsonl", lines, {{"text_key", "body"}, {"strategy", "drop_rand"}});
  // The evaluation reads the same file and has no key.
  EXPECT_THAT(report, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has no member \"text\", only body")));
  for (size_t at = lines.find("body"); at != lines.npos; at = lines.find("body")) lines.replace(at, 4, "text");
  ASSERT_OK_AND_ASSIGN(const json counted,
                       Run("a.jsonl", lines, {{"strategy", "drop_rand"}, {"quality_filter", true}}));
  const json documents = counted["documents"];
  EXPECT_EQ(documents["total"], 8);
  EXPECT_EQ(documents["read"], 6);
  EXPECT_EQ(documents["kept"], 4);
  EXPECT_EQ(documents["dropped"]["empty"], 1);
  EXPECT_EQ(documents["dropped"]["too_short"], 0);
  EXPECT_EQ(documents["dropped"]["quality"]["short"], 1);
  EXPECT_EQ(documents["dropped"]["quality"].size(), 10U);
  EXPECT_EQ(counted["distinct_tokens"], 4 * 32);
}

TEST_F(CalibrationDataTest, ChatsAreWrittenByTheModelsTemplate) {
  const std::string chat = R"({"messages": [{"role": "user", "content": "the end of the them he the"},)"
                           R"( {"role": "assistant", "content": "the he then the other he the the"}]})"
                           "\n";
  const std::string chats = chat + chat + chat + chat;
  const auto refused = Run("a.jsonl", chats, {});
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("has no chat template")));
  EXPECT_EQ(ReasonOf(refused.status()), "CHAT_TEMPLATE_NOT_FOUND");
  folder_.Write("model/chat_template.jinja", kChatMl);
  ASSERT_OK_AND_ASSIGN(const json report, Run("a.jsonl", chats, {}));
  EXPECT_EQ(report["documents"]["kept"], 4);
  const std::string share_gpt = R"({"conversations": [{"from": "human", "value": "the end of the them he the"},)"
                                R"( {"from": "gpt", "value": "the he then the other he the the"}]})"
                                "\n";
  ASSERT_OK_AND_ASSIGN(const json same, Run("b.jsonl", share_gpt + share_gpt + share_gpt + share_gpt, {}));
  EXPECT_EQ(same["tokens"], report["tokens"]);
  EXPECT_NE(same["sha256"], report["sha256"]);
  folder_.Write("model/chat_template.jinja", "{{ raise_exception('no chats') }}");
  EXPECT_THAT(Run("a.jsonl", chats, {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("line 1 the chat template: line 1: refuses these messages: no chats")));
}

TEST_F(CalibrationDataTest, TokenIdsAreTakenAsTheyAre) {
  std::string lines;
  for (int i = 0; i < 4; ++i) {
    json ids = json::array();
    for (int j = 0; j < 40; ++j) ids.push_back((7 * i + j) % 300);
    absl::StrAppend(&lines, ids.dump(), "\n");
  }
  ASSERT_OK_AND_ASSIGN(const json report, Run("ids.jsonl", lines, {{"strategy", "drop_head"}}));
  EXPECT_EQ(report["tokens"], 160);
  EXPECT_EQ(report["tokens_used"], 128);
  EXPECT_THAT(Run("ids.jsonl", "[320]\n", {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the id 320, the model has ids up to 319")));
}

}  // namespace
}  // namespace pivot
