// SPDX-License-Identifier: Apache-2.0
#include "proto/source/hub_name.h"

#include "absl/strings/str_cat.h"

#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;

TEST(HubNameTest, TakesNameRevisionAndFile) {
  struct Case {
    const char* uri;
    const char* repo;
    const char* revision;
    const char* file;
  };
  for (const Case& c :
       {Case{"hf://Qwen/Qwen3-8B", "Qwen/Qwen3-8B", "main", ""}, Case{"hf://gpt2", "gpt2", "main", ""},
        Case{"hf://models/a/b", "a/b", "main", ""}, Case{"hf://a/b@v1.0", "a/b", "v1.0", ""},
        Case{"hf://a/b@x%2Fy", "a/b", "x/y", ""}, Case{"hf://a/b@refs/pr/7", "a/b", "refs/pr/7", ""},
        Case{"hf://a/b@refs/pr/7/c.gguf", "a/b", "refs/pr/7", "c.gguf"},
        Case{"hf://a/b/c-Q4_0.gguf", "a/b", "main", "c-Q4_0.gguf"},
        Case{"hf://a/b@v2/d/c.GGUF", "a/b", "v2", "d/c.GGUF"}, Case{"hf://_a/b_", "_a/b_", "main", ""}}) {
    ASSERT_OK_AND_ASSIGN(const HubName name, ParseHubUri(c.uri));
    EXPECT_EQ(name.repo, c.repo) << c.uri;
    EXPECT_EQ(name.revision, c.revision) << c.uri;
    EXPECT_EQ(name.file, c.file) << c.uri;
  }
}

TEST(HubNameTest, WritesWhatItReads) {
  for (const char* uri : {"hf://a/b", "hf://a/b@v1", "hf://a/b@x%2Fy", "hf://a/b@refs/pr/7", "hf://a/b@v1/c.gguf"}) {
    ASSERT_OK_AND_ASSIGN(const HubName name, ParseHubUri(uri));
    EXPECT_EQ(HubUri(name), uri);
  }
}

TEST(HubNameTest, RefusesWhatTheHubWouldNotHave) {
  const std::string long_name(97, 'a');
  for (const std::string& uri : {std::string("hf://"),
                                 std::string("hf:///"),
                                 std::string("hf://a/"),
                                 std::string("hf:///b"),
                                 std::string("hf://a/b/"),
                                 std::string("hf://a/b@"),
                                 std::string("hf://a/b@/c.gguf"),
                                 std::string("hf://a/b@v1/"),
                                 std::string("hf://a--b/c"),
                                 std::string("hf://a/.."),
                                 std::string("hf://../b"),
                                 std::string("hf://a/b..c"),
                                 std::string("hf://-a/b"),
                                 std::string("hf://a/b."),
                                 std::string("hf://a/b.git"),
                                 std::string("hf://a/b c"),
                                 std::string("hf://a/caf\xc3\xa9"),
                                 absl::StrCat("hf://a/", long_name),
                                 std::string("hf://a/b/c/d@main"),
                                 std::string("hf://a/b/model.safetensors"),
                                 std::string("hf://a/b/../c.gguf"),
                                 std::string("hf://a/b@..%2Fx"),
                                 std::string("hf://a/b@.x"),
                                 std::string("hf://a/b@x.lock"),
                                 std::string("hf://a/b@-x"),
                                 std::string("hf://a/b@x?y"),
                                 std::string("hf://a/b@%2Fx"),
                                 std::string("hf://datasets/a/b"),
                                 std::string("a/b")}) {
    const auto name = ParseHubUri(uri);
    EXPECT_THAT(name, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("hf://ORG/NAME"))) << uri;
    EXPECT_EQ(ReasonOf(name.status()), "INVALID_HUB_NAME") << uri;
  }
}

TEST(HubNameTest, WithoutSchemeIsOrganizationAndName) {
  ASSERT_OK_AND_ASSIGN(const HubName name, ParseBareHubName("Qwen/Qwen3-8B@v1"));
  EXPECT_EQ(HubUri(name), "hf://Qwen/Qwen3-8B@v1");
  for (const char* path : {"model", "./a/b", "/a/b", "a/b/c", "../b", "a/b/", "~/model", ""}) {
    EXPECT_FALSE(ParseBareHubName(path).ok()) << path;
  }
}

TEST(HubNameTest, CommitHas40LowerCaseDigits) {
  EXPECT_TRUE(IsCommit(std::string(40, 'a')));
  EXPECT_FALSE(IsCommit(std::string(39, 'a')));
  EXPECT_FALSE(IsCommit(std::string(40, 'A')));
  EXPECT_FALSE(IsCommit("main"));
}

}  // namespace
}  // namespace pivot
