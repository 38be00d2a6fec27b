// SPDX-License-Identifier: Apache-2.0
#include "proto/files/manifest.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "proto/files/sha256.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::nlohmann::json;
using ::testing::HasSubstr;
using ::testing::SizeIs;

ManifestFile Whole(const std::string& path, const std::string& content) {
  ManifestFile file{.path = path, .size = static_cast<int64_t>(content.size()), .sha256 = Sha256Of(content)};
  if (!content.empty()) file.pieces = {{0, file.size, file.sha256}};
  return file;
}

std::string OwnHash(const ManifestData& manifest) { return json::parse(ManifestToJson(manifest))["manifest_sha256"]; }

/// As a writer would have written it.
std::string Sealed(json document) {
  document["manifest_sha256"] = std::string(64, '0');
  return SealManifest(document.dump(1) + "\n");
}

ManifestData Example() {
  ManifestData manifest{.job = "projects/p/jobs/j",
                        .uid = "u-1",
                        .pivot = 0,
                        .attempt = 2,
                        .source_name = "tiny",
                        .source_digest = "d1",
                        .files = {Whole("LICENSE", ""), Whole("config.json", "{}")}};
  manifest.files.push_back({.path = "model-00001-of-00002.safetensors",
                            .size = 3,
                            .sha256 = Sha256Of("abc"),
                            .pieces = {{0, 1, Sha256Of("a")}, {1, 2, Sha256Of("bc")}}});
  manifest.content_sha256 = ContentSha256(manifest.files);
  return manifest;
}

TEST(ManifestTest, IsWrittenAsTheFormatPageSays) {
  const ManifestData manifest{.job = "projects/p/jobs/j",
                              .uid = "u",
                              .pivot = 1,
                              .attempt = 2,
                              .source_name = "s",
                              .source_digest = "d",
                              .content_sha256 = "c",
                              .files = {{.path = "f", .size = 3, .sha256 = "h", .pieces = {{0, 3, "p"}}}}};
  const std::string text = absl::StrReplaceAll(ManifestToJson(manifest), {{OwnHash(manifest), std::string(64, '0')}});
  EXPECT_EQ(ManifestToJson(manifest), R"({
 "schema": 1,
 "job": "projects/p/jobs/j",
 "uid": "u",
 "pivot": 1,
 "attempt": 2,
 "source": {
  "name": "s",
  "digest": "d"
 },
 "content_sha256": "c",
 "files": [
  {
   "path": "f",
   "size": 3,
   "sha256": "h",
   "pieces": [
    {
     "offset": 0,
     "size": 3,
     "sha256": "p"
    }
   ]
  }
 ],
 "manifest_sha256": ")" + Sha256Of(text) + R"("
}
)");
}

TEST(ManifestTest, SurvivesTheWayThroughJson) {
  const ManifestData manifest = Example();
  ASSERT_OK_AND_ASSIGN(const ManifestData back, ManifestFromJson(ManifestToJson(manifest)));
  EXPECT_EQ(back.job, manifest.job);
  EXPECT_EQ(back.uid, manifest.uid);
  EXPECT_EQ(back.attempt, 2);
  EXPECT_EQ(back.source_name, manifest.source_name);
  EXPECT_EQ(back.source_digest, manifest.source_digest);
  ASSERT_THAT(back.files, SizeIs(3));
  EXPECT_EQ(back.files[2].pieces[1].sha256, Sha256Of("bc"));
  EXPECT_EQ(ManifestToJson(back), ManifestToJson(manifest));
}

TEST(ManifestTest, MayListNothing) {
  ManifestData manifest;
  manifest.content_sha256 = ContentSha256({});
  EXPECT_OK(ManifestFromJson(ManifestToJson(manifest)));
}

TEST(ManifestTest, TheHashOfContentCoversEveryFolderOfAnOutput) {
  for (const char* path : {"gptq/model.safetensors", "gptq/model.safetensors.index.json", "gptq/config.json",
                           "config.json", "pivot/plan.json"})
    EXPECT_NE(ContentSha256({Whole(path, "a")}), ContentSha256({Whole(path, "b")})) << path;
  for (const char* path :
       {"gptq/tokenizer.json", "pivot/report.json", "pivot/report.html", "gptq/generation_config.json"})
    EXPECT_EQ(ContentSha256({Whole(path, "a")}), ContentSha256({Whole(path, "b")})) << path;
}

TEST(ManifestTest, IgnoresKeysOfLaterWriters) {
  json document = json::parse(ManifestToJson(Example()));
  document["colour"] = "blue";
  document["files"][1]["mode"] = 420;
  EXPECT_OK(ManifestFromJson(Sealed(document)));
}

TEST(ManifestTest, RefusesALaterSchemaByName) {
  json document = json::parse(ManifestToJson(Example()));
  document["schema"] = 2;
  EXPECT_THAT(ManifestFromJson(document.dump()), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("schema 2, newer")));
  EXPECT_THAT(ManifestFromJson(R"({"schema": 7, "everything": "changed"})"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("schema 7, newer")));
}

TEST(ManifestTest, RefusesTextThatIsNestedTooDeep) {
  json document = json::parse(ManifestToJson(Example()));
  const std::string brackets = std::string(100'000, '[') + std::string(100'000, ']');
  const std::string text = document.dump();
  EXPECT_THAT(ManifestFromJson(text.substr(0, text.size() - 1) + ",\"extra\":" + brackets + "}"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("nested deeper than 64")));
  EXPECT_THAT(ManifestFromJson(text.substr(0, text.size() - 1) + R"(,"files":[]})"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("twice")));
}

TEST(ManifestTest, RefusesTextThatIsNoManifest) {
  const std::string whole = ManifestToJson(Example());
  for (size_t size = 0; size + 1 < whole.size(); size += 7) {
    EXPECT_THAT(ManifestFromJson(absl::string_view(whole).substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not a manifest")));
  }
  for (const char* text : {"", "null", "[]", "{}", "5", "\"schema\"", "\xFF"}) {
    EXPECT_THAT(ManifestFromJson(text), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not a manifest"))) << text;
  }
}

TEST(ManifestTest, RefusesAMissingOrMistypedMember) {
  const json document = json::parse(ManifestToJson(Example()));
  for (const char* name :
       {"schema", "job", "uid", "pivot", "attempt", "source", "content_sha256", "files", "manifest_sha256"}) {
    json without = document;
    without.erase(name);
    EXPECT_THAT(ManifestFromJson(without.dump()), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not a manifest")))
        << name;
    json mistyped = document;
    mistyped[name] = true;
    EXPECT_THAT(ManifestFromJson(mistyped.dump()), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not a manifest")))
        << name;
  }
}

TEST(ManifestTest, NoticesEveryFlippedBitOfItself) {
  const std::string whole = ManifestToJson(Example());
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_THAT(ManifestFromJson(damaged), StatusIs(absl::StatusCode::kDataLoss, ::testing::_)) << "bit " << bit;
  }
}

TEST(ManifestTest, NoticesThatItWasWrittenAnew) {
  const std::string same = json::parse(ManifestToJson(Example())).dump();
  EXPECT_THAT(ManifestFromJson(same), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("another hash than it says")));
}

/// A change to the example that makes it invalid, and a part of what is said about it.
struct Fault {
  const char* name;
  std::function<void(json&)> inflict;
  const char* message;
};

class ManifestFaultTest : public ::testing::TestWithParam<Fault> {};

TEST_P(ManifestFaultTest, IsRefused) {
  json document = json::parse(ManifestToJson(Example()));
  GetParam().inflict(document);
  EXPECT_THAT(ManifestFromJson(document.dump()), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(GetParam().message)));
}

constexpr char kEntry[] = "file entry that makes no sense";
constexpr char kPieces[] = "do not fit";

INSTANTIATE_TEST_SUITE_P(
    Faults, ManifestFaultTest,
    ::testing::Values(
        Fault{"no_source_name", [](json& d) { d["source"].erase("name"); }, "not a manifest"},
        Fault{"source_digest_number", [](json& d) { d["source"]["digest"] = 5; }, "not a manifest"},
        Fault{"huge_attempt", [](json& d) { d["attempt"] = int64_t{1} << 40; }, "not a manifest"},
        Fault{"entry_not_object", [](json& d) { d["files"][0] = "config.json"; }, kEntry},
        Fault{"no_path", [](json& d) { d["files"][0].erase("path"); }, kEntry},
        Fault{"no_pieces", [](json& d) { d["files"][0].erase("pieces"); }, kEntry},
        Fault{"pieces_object", [](json& d) { d["files"][0]["pieces"] = json::object(); }, kEntry},
        Fault{"absolute_path", [](json& d) { d["files"][0]["path"] = "/etc/passwd"; }, kEntry},
        Fault{"climbing_path", [](json& d) { d["files"][0]["path"] = "../x"; }, kEntry},
        Fault{"negative_size", [](json& d) { d["files"][0]["size"] = -1; }, kEntry},
        Fault{"size_beyond_int64", [](json& d) { d["files"][0]["size"] = ~uint64_t{0}; }, kEntry},
        Fault{"size_fraction", [](json& d) { d["files"][1]["size"] = 2.0; }, kEntry},
        Fault{"short_hash", [](json& d) { d["files"][0]["sha256"] = "ab"; }, kEntry},
        Fault{"upper_case_hash", [](json& d) { d["files"][0]["sha256"] = std::string(64, 'A'); }, kEntry},
        Fault{"hole", [](json& d) { d["files"][2]["pieces"][1]["offset"] = 2; }, kPieces},
        Fault{"overlap", [](json& d) { d["files"][2]["pieces"][1]["offset"] = 0; }, kPieces},
        Fault{"empty_piece", [](json& d) { d["files"][2]["pieces"][0]["size"] = 0; }, kPieces},
        Fault{"negative_piece", [](json& d) { d["files"][2]["pieces"][0]["size"] = -1; }, kPieces},
        Fault{"huge_piece", [](json& d) { d["files"][2]["pieces"][0]["size"] = kMaxPieceBytes + 1; }, kPieces},
        Fault{"piece_not_object", [](json& d) { d["files"][2]["pieces"][0] = 0; }, kPieces},
        Fault{"piece_hash", [](json& d) { d["files"][2]["pieces"][0]["sha256"] = std::string(64, 'g'); }, kPieces},
        Fault{"too_short", [](json& d) { d["files"][2]["size"] = 4; }, "do not cover it"},
        Fault{"too_long", [](json& d) { d["files"][2]["size"] = 2; }, "do not cover it"},
        Fault{"unsorted", [](json& d) { std::swap(d["files"][0], d["files"][1]); }, "not sorted"},
        Fault{"twice", [](json& d) { d["files"].push_back(d["files"][2]); }, "not sorted"},
        Fault{"content_hash", [](json& d) { d["content_sha256"] = std::string(64, '0'); },
              "content_sha256 does not fit"},
        Fault{"other_weights", [](json& d) { d["files"][2]["sha256"] = std::string(64, '0'); },
              "content_sha256 does not fit"}),
    [](const auto& fault) { return std::string(fault.param.name); });

TEST(ContentSha256Test, IsTheHashOfTheLinesOfWhatEqualJobsShare) {
  const std::vector<ManifestFile> files = {{.path = "LICENSE", .sha256 = "l"},
                                           {.path = "config.json", .sha256 = "c"},
                                           {.path = "model-00001-of-00001.safetensors", .sha256 = "m"},
                                           {.path = "model.safetensors.index.json", .sha256 = "i"},
                                           {.path = "pivot/plan.json", .sha256 = "p"},
                                           {.path = "pivot/report.json", .sha256 = "r"},
                                           {.path = "tokenizer.json", .sha256 = "t"}};
  const std::string lines = absl::StrJoin({"config.json|c", "model-00001-of-00001.safetensors|m",
                                           "model.safetensors.index.json|i", "pivot/plan.json|p", ""},
                                          "\n");
  EXPECT_EQ(ContentSha256(files), Sha256Of(absl::StrReplaceAll(lines, {{"|", absl::string_view("\0", 1)}})));
}

TEST(ContentSha256Test, DoesNotDependOnTheOrderOfTheFiles) {
  EXPECT_EQ(ContentSha256({{.path = "a.safetensors", .sha256 = "1"}, {.path = "config.json", .sha256 = "2"}}),
            ContentSha256({{.path = "config.json", .sha256 = "2"}, {.path = "a.safetensors", .sha256 = "1"}}));
}

TEST(ContentSha256Test, ChangesWithTheNameAndTheHashOfAShard) {
  const std::string before = ContentSha256({{.path = "a.safetensors", .sha256 = "1"}});
  EXPECT_NE(ContentSha256({{.path = "b.safetensors", .sha256 = "1"}}), before);
  EXPECT_NE(ContentSha256({{.path = "a.safetensors", .sha256 = "2"}}), before);
  EXPECT_EQ(ContentSha256({{.path = "a.safetensors", .sha256 = "1"}, {.path = "README.md", .sha256 = "3"}}), before);
}

}  // namespace
}  // namespace pivot
