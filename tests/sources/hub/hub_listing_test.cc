// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/hub_listing.h"

#include "absl/strings/str_cat.h"

#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"

namespace pivot::hub {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kCommit(40, 'c');
const std::string kSha1(40, 'a');
const std::string kSha256(64, 'b');

HubListing ListingOf(const std::vector<std::string>& paths) {
  HubListing listing{.commit = kCommit, .files = {}};
  for (const std::string& path : paths) listing.files.push_back({.path = path, .etag = kSha1, .bytes = 1});
  return listing;
}

std::vector<std::string> PathsOf(const std::vector<CachedFile>& files) {
  std::vector<std::string> paths;
  for (const CachedFile& file : files) paths.push_back(file.path);
  return paths;
}

HubName NameOf(const std::string& uri) { return ParseHubUri(uri).value(); }

TEST(HubListingTest, TakesTheHashThatNamesTheBlob) {
  ASSERT_OK_AND_ASSIGN(const HubListing listing,
                       ParseListing(absl::StrCat(R"({"sha": ")", kCommit, R"(", "siblings": [
          {"rfilename": "config.json", "size": 5, "blobId": ")",
                                                 kSha1, R"("},
          {"rfilename": "m.safetensors", "size": 9, "blobId": ")",
                                                 kSha1, R"(", "lfs": {"sha256": ")", kSha256, R"(", "size": 9}},
          {"rfilename": "unknown"},
          {"rfilename": "odd", "size": -1, "blobId": "../x"},
          {"rfilename": "../../out", "size": 1, "blobId": ")",
                                                 kSha1, R"("}]})")));
  EXPECT_EQ(listing.commit, kCommit);
  EXPECT_THAT(PathsOf(listing.files), ElementsAre("config.json", "m.safetensors", "unknown", "odd"));
  EXPECT_EQ(listing.files[0].etag, kSha1);
  EXPECT_EQ(listing.files[1].etag, kSha256);
  EXPECT_EQ(listing.files[1].bytes, 9);
  EXPECT_EQ(listing.files[2].etag, "");
  EXPECT_EQ(listing.files[3].etag, "");
}

TEST(HubListingTest, RefusesWhatIsNoListing) {
  for (const std::string& reply : {std::string(), std::string("<html>"), std::string("[]"), std::string("{}"),
                                   std::string(R"({"sha": "x"})"), absl::StrCat(R"({"sha": ")", kCommit, R"("})"),
                                   absl::StrCat(R"({"sha": ")", kCommit, R"(", "siblings": [1]})")}) {
    EXPECT_EQ(ReasonOf(ParseListing(reply).status()), "HUB_ANSWER_INVALID") << reply;
  }
}

TEST(HubListingTest, SelectsTheModelAndNothingElse) {
  const HubListing listing =
      ListingOf({"README.md", "LICENSE.txt", "config.json", "generation_config.json", "model.safetensors",
                 "pytorch_model.bin", "tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt",
                 "special_tokens_map.json", "chat_template.jinja", "modeling_x.py", "original/consolidated.safetensors",
                 "onnx/tokenizer.json", "training_args.bin", "trainer_state.json", "USE_POLICY.md", "x.gguf"});
  ASSERT_OK_AND_ASSIGN(const Selection selection, SelectFiles(listing, NameOf("hf://a/b")));
  EXPECT_THAT(PathsOf(selection.weights), ElementsAre("model.safetensors"));
  EXPECT_THAT(
      PathsOf(selection.beside),
      ElementsAre("LICENSE.txt", "config.json", "generation_config.json", "tokenizer.json", "tokenizer.model",
                  "vocab.json", "merges.txt", "special_tokens_map.json", "chat_template.jinja", "USE_POLICY.md"));
  std::vector<CachedFile> fetched = selection.beside;
  fetched.insert(fetched.end(), selection.weights.begin(), selection.weights.end());
  EXPECT_THAT(SkippedFiles(listing, fetched),
              ElementsAre("README.md", "pytorch_model.bin", "modeling_x.py", "original/consolidated.safetensors",
                          "onnx/tokenizer.json", "training_args.bin", "trainer_state.json", "x.gguf"));
}

TEST(HubListingTest, AnIndexTellsTheShards) {
  const HubListing listing = ListingOf({"config.json", "model.safetensors.index.json", "model-1.safetensors",
                                        "model-2.safetensors", "consolidated.safetensors"});
  ASSERT_OK_AND_ASSIGN(const Selection selection, SelectFiles(listing, NameOf("hf://a/b")));
  EXPECT_EQ(selection.index_path, "model.safetensors.index.json");
  EXPECT_TRUE(selection.weights.empty());
  ASSERT_OK_AND_ASSIGN(const auto shards,
                       ShardsOf(R"({"weight_map": {"x": "model-2.safetensors", "y": "model-1.safetensors",
                                                   "z": "model-2.safetensors"}})",
                                listing, NameOf("hf://a/b")));
  EXPECT_THAT(PathsOf(shards), ElementsAre("model-1.safetensors", "model-2.safetensors"));
}

TEST(HubListingTest, RefusesIndexesThatLeadAstray) {
  const HubListing listing = ListingOf({"config.json"});
  const auto reason = [&listing](const char* index) {
    return ReasonOf(ShardsOf(index, listing, NameOf("hf://a/b")).status());
  };
  EXPECT_EQ(reason(R"({"weight_map": {"x": "gone.safetensors"}})"), "SOURCE_INCOMPLETE");
  EXPECT_EQ(reason(R"({"weight_map": {"x": "../x.safetensors"}})"), "UNSAFE_SOURCE");
  EXPECT_EQ(reason(R"({"weight_map": {"x": "pytorch_model.bin"}})"), "UNSAFE_SOURCE");
  EXPECT_EQ(reason(R"({"weight_map": {"x": 1}})"), "UNSAFE_SOURCE");
  EXPECT_EQ(reason(R"({"weight_map": {}})"), "MALFORMED_WEIGHTS");
  EXPECT_EQ(reason("nonsense"), "MALFORMED_WEIGHTS");
}

TEST(HubListingTest, SaysWhyThereIsNoModel) {
  const auto reason = [](const std::vector<std::string>& paths, const char* uri) {
    return ReasonOf(SelectFiles(ListingOf(paths), NameOf(uri)).status());
  };
  EXPECT_EQ(reason({"config.json", "pytorch_model.bin"}, "hf://a/b"), "UNSAFE_SOURCE");
  EXPECT_EQ(reason({"config.json"}, "hf://a/b"), "SOURCE_INCOMPLETE");
  EXPECT_EQ(reason({"model.safetensors"}, "hf://a/b"), "SOURCE_INCOMPLETE");
  EXPECT_EQ(reason({"a.gguf", "b.gguf"}, "hf://a/b"), "AMBIGUOUS_SOURCE");
  EXPECT_EQ(reason({"a.gguf"}, "hf://a/b/c.gguf"), "SOURCE_NOT_FOUND");
}

TEST(HubListingTest, OneGgufFileIsTheModel) {
  ASSERT_OK_AND_ASSIGN(const Selection only, SelectFiles(ListingOf({"a.gguf", "README.md"}), NameOf("hf://a/b")));
  EXPECT_THAT(PathsOf(only.weights), ElementsAre("a.gguf"));
  EXPECT_TRUE(only.beside.empty());
  ASSERT_OK_AND_ASSIGN(const Selection named,
                       SelectFiles(ListingOf({"a.gguf", "d/b.gguf", "config.json"}), NameOf("hf://a/b/d/b.gguf")));
  EXPECT_THAT(PathsOf(named.weights), ElementsAre("d/b.gguf"));
}

TEST(HubListingTest, LongListsAreCutShort) {
  EXPECT_EQ(NamesInShort({"a", "b"}), "a, b");
  EXPECT_EQ(NamesInShort({"a", "b", "c", "d", "e", "f"}), "a, b, c, d and 2 more");
}

}  // namespace
}  // namespace pivot::hub
