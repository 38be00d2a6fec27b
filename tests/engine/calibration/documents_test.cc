// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/documents.h"

#include <gmock/gmock.h>

#include "proto/files/sha256.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DocumentsTest : public ::testing::Test {
 protected:
  absl::StatusOr<Documents> Read(const std::string& name, const std::string& content, const std::string& key = "") {
    return ReadDocuments({.path = folder_.Write(name, content), .text_key = key});
  }

  void ExpectRefused(const absl::StatusOr<Documents>& documents, const std::string& phrase,
                     const std::string& reason = "INVALID_TEXT") {
    EXPECT_THAT(documents, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(phrase)));
    EXPECT_EQ(ReasonOf(documents.status()), reason);
  }

  TemporaryFolder folder_;
};

TEST_F(DocumentsTest, APlainTextIsOneDocumentAsItIs) {
  ASSERT_OK_AND_ASSIGN(const Documents documents, Read("a.txt", " two\n\nlines \n"));
  EXPECT_EQ(documents.kind, DocumentKind::kPlainText);
  EXPECT_THAT(documents.texts, ElementsAre(" two\n\nlines \n"));
  EXPECT_EQ(documents.name, "a.txt");
  EXPECT_EQ(documents.sha256, Sha256Of(" two\n\nlines \n"));
}

TEST_F(DocumentsTest, ALineOfJsonIsADocumentWithoutSpaceAround) {
  ASSERT_OK_AND_ASSIGN(
      const Documents documents,
      Read("a.jsonl", "{\"text\": \" one\\n\"}\n\n\"two\"\r\n{\"text\": null}\n{\"id\": 1, \"text\": \" \"}"));
  EXPECT_EQ(documents.kind, DocumentKind::kTexts);
  EXPECT_EQ(documents.format, "jsonl");
  EXPECT_THAT(documents.texts, ElementsAre("one", "two"));
  EXPECT_EQ(documents.num_empty, 2);
}

TEST_F(DocumentsTest, ReadsAnArrayAndLinesFromJson) {
  ASSERT_OK_AND_ASSIGN(const Documents array, Read("a.json", "\n [\"one\",\n {\"text\": \"two\"}]"));
  EXPECT_THAT(array.texts, ElementsAre("one", "two"));
  ASSERT_OK_AND_ASSIGN(const Documents lines, Read("b.json", "{\"text\": \"one\"}\n{\"text\": \"two\"}\n"));
  EXPECT_THAT(lines.texts, ElementsAre("one", "two"));
}

TEST_F(DocumentsTest, TheTextKeyNamesAMemberAlsoWithinAnother) {
  ASSERT_OK_AND_ASSIGN(const Documents documents, Read("a.jsonl",
                                                       R"({"a": {"b": "in a"}, "text": "not this"})"
                                                       "\n"
                                                       R"({"a.b": "itself", "a": 1})",
                                                       "a.b"));
  EXPECT_THAT(documents.texts, ElementsAre("in a", "itself"));
}

TEST_F(DocumentsTest, ARecordWithoutTheMemberIsNamedWithThoseItHas) {
  ExpectRefused(Read("a.jsonl", "{\"text\": \"x\"}\n\n{\"body\": \"x\", \"id\": 4}\n"),
                "a.jsonl: line 3 has no member \"text\", only body, id");
  ExpectRefused(Read("a.json", "[{\"text\": \"x\"}, {\"text\": 5}]"), "record 2 has number for a document");
}

TEST_F(DocumentsTest, ReadsTokenIds) {
  ASSERT_OK_AND_ASSIGN(const Documents lines, Read("a.jsonl", "[1, 2]\n[]\n[3]\n"));
  EXPECT_EQ(lines.kind, DocumentKind::kTokenIds);
  EXPECT_THAT(lines.ids, ElementsAre(ElementsAre(1, 2), ElementsAre(3)));
  EXPECT_EQ(lines.num_empty, 1);
  ASSERT_OK_AND_ASSIGN(const Documents records, Read("b.json", "[{\"input_ids\": [7]}, [8, 9]]"));
  EXPECT_THAT(records.ids, ElementsAre(ElementsAre(7), ElementsAre(8, 9)));
}

TEST_F(DocumentsTest, RefusesWhatIsNoTokenId) {
  for (const char* id : {"-1", "1.5", "2147483648", "99999999999999999999", "\"1\"", "null", "[]"}) {
    ExpectRefused(Read("a.jsonl", absl::StrCat("[1, ", id, "]")), "line 1 has ");
  }
}

TEST_F(DocumentsTest, DocumentsOfTwoKindsAreRefused) {
  ExpectRefused(Read("a.jsonl", "\"text\"\n[1, 2]\n"), "line 2 has token ids, those before have text");
}

TEST_F(DocumentsTest, JsonThatIsNotIsNamedByLine) {
  ExpectRefused(Read("a.jsonl", "\"a\"\n{\"text\": \"b\"\n"), "a.jsonl: line 2 is not valid JSON");
  ExpectRefused(Read("a.jsonl", "{\"text\": \"a\", \"text\": \"b\"}"), "has the key \"text\" twice");
  ExpectRefused(Read("a.jsonl", std::string(70, '[') + std::string(70, ']')), "nested deeper than 64");
}

TEST_F(DocumentsTest, OneObjectOverSeveralLinesIsNoListOfRecords) {
  ExpectRefused(Read("a.json", "{\n \"data\": []\n}"),
                "a.json: is one JSON value; an array of records or a record a line");
}

TEST_F(DocumentsTest, AnObjectOfTooManyMembersIsRefused) {
  std::string object = "{\"text\": \"x\"";
  for (int i = 0; i < 1024; ++i) absl::StrAppend(&object, ",\"", i, "\":0");
  ExpectRefused(Read("a.jsonl", object + "}"), "more than 1024 members");
}

TEST_F(DocumentsTest, BytesThatAreNotUtf8AreNamedByLine) {
  for (const char* name : {"a.txt", "a.jsonl", "a.csv"}) {
    ExpectRefused(Read(name, "text\n\"good\"\n\"\xff\"\n"), "line 3 is not valid UTF-8 (byte 13 of the file)");
  }
}

TEST_F(DocumentsTest, ATextKeyOfAPlainTextIsRefused) {
  ExpectRefused(Read("a.txt", "x", "body"), "a.txt is a plain text", "INVALID_SPEC");
}

TEST_F(DocumentsTest, AFileThatIsNotThereIsNamed) {
  EXPECT_THAT(ReadDocuments({.path = folder_ / "none.jsonl"}).status().message(), HasSubstr("none.jsonl"));
}

TEST_F(DocumentsTest, ReadsTheColumnOfATable) {
  const std::string table = "\xEF\xBB\xBFid,text,note\r\n1,\"a, \"\"b\"\"\nc\",x\r\n\r\n2, plain ,\n3,,\"\"";
  ASSERT_OK_AND_ASSIGN(const Documents documents, Read("a.CSV", table));
  EXPECT_EQ(documents.format, "csv");
  EXPECT_THAT(documents.texts, ElementsAre("a, \"b\"\nc", "plain"));
  EXPECT_EQ(documents.num_empty, 1);
  ASSERT_OK_AND_ASSIGN(const Documents other, Read("a.csv", table, "note"));
  EXPECT_THAT(other.texts, ElementsAre("x"));
  ASSERT_OK_AND_ASSIGN(const Documents tabs, Read("a.tsv", "text\tid\na, b\t1\n"));
  EXPECT_THAT(tabs.texts, ElementsAre("a, b"));
}

TEST_F(DocumentsTest, ATableThatBreaksItsFormIsNamedByLine) {
  ExpectRefused(Read("a.csv", "id,body\n1,x\n"), "a.csv: line 1 has no column \"text\"; it names id, body");
  ExpectRefused(Read("a.csv", "id,text\n1,\"x\ny\"\n2\n"), "line 4 has 1 fields, the first row has 2");
  ExpectRefused(Read("a.csv", "text\n\"x\ny"), "line 2 begins a field in double quotes that never ends");
  ExpectRefused(Read("a.csv", "text\nx\"y\n"), "line 2 has a double quote within");
  ExpectRefused(Read("a.csv", "text\n\"x\"y\n"), "line 2 goes on behind the closing quote");
  ExpectRefused(Read("a.csv", ""), "line 1 is missing");
}

TEST_F(DocumentsTest, ChatsAreWrittenByTheWriter) {
  const std::string path = folder_.Write("a.jsonl", R"({"messages": [{"role": "user"}], "tools": [1]})");
  const ChatWriter writer = [](const nlohmann::ordered_json& record) { return record.dump(); };
  ASSERT_OK_AND_ASSIGN(const Documents documents, ReadDocuments({.path = path}, writer));
  EXPECT_EQ(documents.kind, DocumentKind::kChats);
  EXPECT_THAT(documents.texts, ElementsAre(R"({"messages":[{"role":"user"}],"tools":[1]})"));
  ExpectRefused(ReadDocuments({.path = path}), "line 1 has chat messages");
}

}  // namespace
}  // namespace pivot
