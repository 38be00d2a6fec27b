// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/arrow_file.h"

#include <cstdlib>
#include <filesystem>
#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"

#include "engine/calibration/documents.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Golden(const std::string& name) { return absl::StrCat(PIVOT_GOLDEN_DIR, "/arrow/", name); }

#ifdef PIVOT_HAS_ARROW

class ArrowFileTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ArrowFileTest, GivesTheColumnsThatAreWanted) {
  std::vector<std::string> rows;
  ASSERT_OK(ReadArrowFile(Golden(GetParam()), {"text", "note", "none"}, [&](absl::string_view json) {
    rows.emplace_back(json);
    return absl::OkStatus();
  }));
  EXPECT_THAT(rows, ElementsAre(R"({"text":" one\n","note":"a"})", R"({"text":"zwei é","note":"b"})",
                                R"({"text":null,"note":"a"})", R"({"text":"vier","note":"c"})"));
}

TEST_P(ArrowFileTest, EndsWhenItIsToldTo) {
  int rows = 0;
  EXPECT_THAT(
      ReadArrowFile(Golden(GetParam()), {"text"},
                    [&](absl::string_view) { return ++rows < 2 ? absl::OkStatus() : absl::CancelledError("x"); }),
      StatusIs(absl::StatusCode::kCancelled, "x"));
  EXPECT_EQ(rows, 2);
}

TEST_P(ArrowFileTest, IsReadAsDocuments) {
  ASSERT_OK_AND_ASSIGN(const Documents documents, ReadDocuments({.path = Golden(GetParam())}));
  EXPECT_EQ(documents.kind, DocumentKind::kTexts);
  EXPECT_THAT(documents.texts, ElementsAre("one", "zwei é", "vier"));
  EXPECT_EQ(documents.num_empty, 1);
  EXPECT_THAT(ReadDocuments({.path = Golden(GetParam()), .text_key = "body"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(GetParam()), HasSubstr("the file has the columns id, text, note, when"))));
  EXPECT_THAT(ReadDocuments({.path = Golden(GetParam()), .text_key = "when"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("values of type timestamp[")));
}

/// Whatever a byte becomes, the answer is a status.
TEST_P(ArrowFileTest, DamageIsToldOf) {
  const TemporaryFolder folder;
  const std::string whole = *ReadSmallFile(Golden(GetParam()), size_t{1} << 20);
  const std::string name = absl::StrCat("damaged", std::filesystem::path(GetParam()).extension().string());
  for (size_t size = 0; size < whole.size(); size += 97) {
    const auto documents = ReadDocuments({.path = folder.Write(name, whole.substr(0, size))});
    // A stream may end behind any batch.
    const bool may_be_whole = GetParam() == std::string("stream.arrow") && documents.ok();
    EXPECT_TRUE(may_be_whole || !documents.ok()) << size;
  }
  for (size_t at = 0; at < whole.size(); at += 13) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x5A);
    const auto documents = ReadDocuments({.path = folder.Write(name, damaged)});
    EXPECT_TRUE(documents.ok() || ReasonOf(documents.status()) == "INVALID_TEXT") << at << documents.status();
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, ArrowFileTest, ::testing::Values("texts.parquet", "texts.feather", "stream.arrow"),
                         [](const auto& test) {
                           std::string name = test.param;
                           name[name.find('.')] = '_';
                           return name;
                         });

TEST(ParquetTest, HoldsChatsAndTokenIds) {
  const ChatWriter writer = [](const nlohmann::ordered_json& record) { return record.dump(); };
  ASSERT_OK_AND_ASSIGN(const Documents chats, ReadDocuments({.path = Golden("chats.parquet")}, writer));
  EXPECT_EQ(chats.kind, DocumentKind::kChats);
  EXPECT_THAT(chats.texts, ElementsAre(R"({"messages":[{"role":"user","content":"Hi","score":0.5,"seen":true},)"
                                       R"({"role":"assistant","content":"Ho","score":null,"seen":null}]})",
                                       R"({"messages":[{"role":"user","content":"Hi","score":0.5,"seen":true}]})"));
  ASSERT_OK_AND_ASSIGN(const Documents ids, ReadDocuments({.path = Golden("ids.parquet")}));
  EXPECT_THAT(ids.ids, ElementsAre(ElementsAre(1, 2, 3), ElementsAre(4)));
  EXPECT_EQ(ids.num_empty, 1);
}

#else

TEST(ArrowFileTest, SaysHowToReadSuchFiles) {
  const auto documents = ReadDocuments({.path = Golden("texts.parquet")});
  EXPECT_THAT(documents, StatusIs(absl::StatusCode::kFailedPrecondition,
                                  HasSubstr("run scripts/setup.sh --arrow and build again")));
  EXPECT_EQ(ReasonOf(documents.status()), "ARROW_NOT_FOUND");
}

#endif

}  // namespace
}  // namespace pivot
