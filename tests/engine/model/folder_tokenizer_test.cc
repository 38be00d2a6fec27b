// SPDX-License-Identifier: Apache-2.0
#include "engine/model/folder_tokenizer.h"

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;

std::string Golden(const std::string& name) {
  std::ifstream file(std::string(PIVOT_GOLDEN_DIR) + "/tokenizer/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class FolderTokenizerTest : public ::testing::Test {
 protected:
  FolderTokenizerTest() {
    folder_.Write("config.json", "{}");
    folder_.Write("tokenizer.model", Golden("spm_bpe.model"));
  }

  std::vector<int32_t> Encode(const std::string& text) const {
    const auto tokenizer = LoadTokenizer(folder_.path());
    EXPECT_OK(tokenizer);
    if (!tokenizer.ok()) return {};
    return tokenizer->Encode(text, SpecialTokens::kAdd).value_or(std::vector<int32_t>());
  }

  TemporaryFolder folder_;
};

TEST_F(FolderTokenizerTest, ReadsATokenizerModel) {
  const std::vector<int32_t> ids = Encode("the text");
  ASSERT_GT(ids.size(), 2U);
  EXPECT_EQ(ids.front(), 1) << "the first token, as LlamaTokenizer adds it";
  EXPECT_NE(ids.back(), 2);
}

TEST_F(FolderTokenizerTest, PutsAroundWhatTheSettingsSay) {
  const std::vector<int32_t> bare = [&] {
    folder_.Write("tokenizer_config.json", R"({"add_bos_token": false})");
    return Encode("the text");
  }();
  folder_.Write("tokenizer_config.json", R"({"add_bos_token": true, "bos_token": {"content": "</s>"}})");
  std::vector<int32_t> expected = bare;
  expected.insert(expected.begin(), 2);
  EXPECT_EQ(Encode("the text"), expected);
  folder_.Write("tokenizer_config.json", R"({"tokenizer_class": "T5Tokenizer"})");
  expected = bare;
  expected.push_back(2);
  EXPECT_EQ(Encode("the text"), expected);
}

TEST_F(FolderTokenizerTest, NamesWrongSettings) {
  for (const char* settings : {"[]", R"({"add_bos_token": 1})", R"({"bos_token": 1})", R"({"bos_token": "<none>"})"}) {
    folder_.Write("tokenizer_config.json", settings);
    EXPECT_THAT(LoadTokenizer(folder_.path()), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tokenizer")))
        << settings;
  }
}

TEST_F(FolderTokenizerTest, PrefersATokenizerJson) {
  folder_.Write("tokenizer.json", TinyTokenizerJson());
  ASSERT_OK_AND_ASSIGN(const Tokenizer tiny, Tokenizer::FromJson(TinyTokenizerJson()));
  EXPECT_EQ(Encode("text"), tiny.Encode("text", SpecialTokens::kAdd).value());
}

}  // namespace
}  // namespace pivot
