// SPDX-License-Identifier: Apache-2.0
#include "engine/model/folder_chat_template.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using nlohmann::ordered_json;
using ::testing::HasSubstr;

class FolderChatTemplateTest : public ::testing::Test {
 protected:
  FolderChatTemplateTest() { EXPECT_OK(WriteTinyModel(folder_ / "model", {.num_blocks = 1})); }

  absl::StatusOr<FolderChatTemplate> Load() const {
    return FolderChatTemplate::Load(*ModelFolder::Open(folder_ / "model"));
  }

  /// What a template of the model's folder makes of a record.
  std::string Write(const std::string& source, const std::string& record) {
    folder_.Write("model/chat_template.jinja", source);
    const auto loaded = Load();
    if (!loaded.ok()) return std::string(loaded.status().message());
    const auto text = loaded->Write(ordered_json::parse(record));
    return text.ok() ? *text : std::string(text.status().message());
  }

  TemporaryFolder folder_;
};

TEST_F(FolderChatTemplateTest, ReadsTheTemplateAndTheTokensOfTheTokenizersConfiguration) {
  folder_.Write("model/tokenizer_config.json",
                R"({"chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}",
      "bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "pad_token": null})");
  ASSERT_OK_AND_ASSIGN(const FolderChatTemplate loaded, Load());
  EXPECT_EQ(*loaded.Write(ordered_json::parse(R"({"messages": [{"role": "user", "content": "Hi"}]})")), "<s>Hi</s>");
}

TEST_F(FolderChatTemplateTest, AFileOfItsOwnGoesBeforeTheConfiguration) {
  folder_.Write("model/tokenizer_config.json", R"({"chat_template": "a"})");
  const std::string before = Load()->sha256();
  EXPECT_EQ(Write("b", R"({"messages": []})"), "b");
  EXPECT_NE(Load()->sha256(), before);
}

TEST_F(FolderChatTemplateTest, OfSeveralTheOneForToolsIsTakenWithTools) {
  folder_.Write(
      "model/tokenizer_config.json",
      R"({"chat_template": [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "tools"}]})");
  ASSERT_OK_AND_ASSIGN(const FolderChatTemplate loaded, Load());
  EXPECT_EQ(*loaded.Write(ordered_json::parse(R"({"messages": []})")), "plain");
  EXPECT_EQ(*loaded.Write(ordered_json::parse(R"({"messages": [], "tools": [{}]})")), "tools");
  EXPECT_EQ(*loaded.Write(ordered_json::parse(R"({"messages": [], "tools": "[{}]"})")), "tools");
  EXPECT_EQ(*loaded.Write(ordered_json::parse(R"({"messages": [], "tools": []})")), "plain");
}

TEST_F(FolderChatTemplateTest, GivesWhatTransformersGives) {
  const std::string source =
      "{{ messages | tojson }} {{ tools }} {{ documents }} {{ add_generation_prompt }} {{ bos_token is defined }} {{ x "
      "}}";
  EXPECT_EQ(
      Write(source,
            R"({"messages": [{"role": "a", "content": null, "reasoning": "r"}], "chat_template_kwargs": {"x": 1}})"),
      R"([{"thinking": "r", "role": "a", "reasoning": "r", "reasoning_content": "r"}] None None False False 1)");
}

TEST_F(FolderChatTemplateTest, ReadsShareGpt) {
  const std::string source = "{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}";
  EXPECT_EQ(Write(source, R"({"messages": [{"from": "system", "value": "s"}, {"from": "human", "value": "q"},
                              {"from": "gpt", "value": "a"}, {"role": "user", "content": "r"}]})"),
            "system:s;user:q;assistant:a;user:r;");
  EXPECT_THAT(Write(source, R"({"messages": [{"from": "alien", "value": "s"}]})"),
              HasSubstr("a message from \"alien\""));
  EXPECT_THAT(Write(source, R"({"messages": ["x"]})"), HasSubstr("a message that is no object"));
  EXPECT_THAT(Write(source, R"({"messages": [], "tools": 3})"), HasSubstr("\"tools\" that is no list"));
}

TEST_F(FolderChatTemplateTest, AModelWithoutATemplateIsRefused) {
  const auto loaded = Load();
  EXPECT_THAT(loaded, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("has no chat template")));
  EXPECT_EQ(ReasonOf(loaded.status()), "CHAT_TEMPLATE_NOT_FOUND");
}

}  // namespace
}  // namespace pivot
