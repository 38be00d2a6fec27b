// SPDX-License-Identifier: Apache-2.0
#include "engine/model/json.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::nlohmann::json;
using ::testing::Eq;
using ::testing::HasSubstr;

std::string Nested(int depth, absl::string_view open, absl::string_view core, absl::string_view close) {
  std::string text;
  for (int i = 0; i < depth; ++i) absl::StrAppend(&text, open);
  absl::StrAppend(&text, core);
  for (int i = 0; i < depth; ++i) absl::StrAppend(&text, close);
  return text;
}

TEST(ParseJsonTest, GivesTheDocument) {
  ASSERT_OK_AND_ASSIGN(const json document, ParseJson(R"( {"a": [1, -2.5, "x", null, true], "b": {}} )", "it"));
  EXPECT_EQ(document, json({{"a", {1, -2.5, "x", nullptr, true}}, {"b", json::object()}}));
  EXPECT_EQ(*ParseJson("5", "it"), json(5));
}

TEST(ParseJsonTest, AllowsTheSameKeyInDifferentObjects) {
  EXPECT_OK(ParseJson(R"({"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}], "c": {"a": {"b": 1}}})", "it"));
}

TEST(ParseJsonTest, RefusesAKeyTwice) {
  for (const char* text :
       {R"({"a": 1, "a": 2})", R"({"x": {"y": [{"a": 1, "b": 2, "a": {}}]}})", R"([{"a": [], "\u0061": []}])",
        R"({"a": {"b": 1}, "a": 2})", R"({"a": 1, "b": {"c": 2}, "a": 3})"}) {
    EXPECT_THAT(ParseJson(text, "config.json"),
                StatusIs(absl::StatusCode::kInvalidArgument, Eq("config.json has the key \"a\" twice")))
        << text;
  }
}

TEST(ParseJsonTest, AllowsADepthOf64AndNoMore) {
  for (const auto& [open, core, close] : {std::tuple{"[", "1", "]"}, {"[", "", "]"}, {"{\"a\":", "1", "}"}}) {
    EXPECT_OK(ParseJson(Nested(64, open, core, close), "it"));
    EXPECT_THAT(ParseJson(Nested(65, open, core, close), "it"),
                StatusIs(absl::StatusCode::kInvalidArgument, Eq("it is nested deeper than 64")));
  }
  EXPECT_OK(ParseJson(Nested(63, "[", "{}", "]"), "it"));
  EXPECT_FALSE(ParseJson(Nested(64, "[", "{}", "]"), "it").ok());
}

TEST(ParseJsonTest, StopsAtABombOfBrackets) {
  for (const char* open : {"[", "{\"a\":"}) {
    EXPECT_THAT(ParseJson(Nested(3'000'000, open, "", ""), "it"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("deeper than 64")));
  }
}

TEST(ParseJsonTest, RefusesATruncatedDocument) {
  const std::string whole = R"({"a": [1, {"b": "c\u00e9"}], "d": -2.5e3, "e": null, "f": true})";
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(ParseJson(absl::string_view(whole).substr(0, size), "it"),
                StatusIs(absl::StatusCode::kInvalidArgument, Eq("it is not valid JSON")))
        << size;
  }
  EXPECT_OK(ParseJson(whole, "it"));
}

TEST(ParseJsonTest, RefusesWhatIsNotJson) {
  for (const char* text : {"",
                           " ",
                           "{} {}",
                           "{},",
                           "[1,]",
                           "{\"a\":1,}",
                           "{a: 1}",
                           "{'a': 1}",
                           "[01]",
                           "[+1]",
                           "[.5]",
                           "[NaN]",
                           "[Infinity]",
                           "// c\n{}",
                           "[1] x",
                           "[\"\t\"]",
                           "[\"\\x\"]",
                           "[\"\\ud800\"]",
                           "[\"\xFF\"]",
                           "[\"\xC0\xAF\"]",
                           "[\"\xED\xA0\x80\"]",
                           "[1e999]",
                           "{\"a\"}",
                           "nul",
                           "]"}) {
    EXPECT_THAT(ParseJson(text, "it"), StatusIs(absl::StatusCode::kInvalidArgument, Eq("it is not valid JSON")))
        << text;
  }
}

TEST(ParseJsonTest, RefusesWhatFollowsANul) {
  for (const absl::string_view text :
       {absl::string_view("{}\0", 3), absl::string_view("{}\0{}", 5), absl::string_view("\0{}", 3)}) {
    EXPECT_THAT(ParseJson(text, "it"), StatusIs(absl::StatusCode::kInvalidArgument, Eq("it is not valid JSON")));
  }
}

TEST(ParseJsonTest, TakesTimeInProportionToTheMembers) {
  // What takes time in proportion to their square needs minutes here.
  std::string text = "{";
  for (int i = 0; i < 100'000; ++i) absl::StrAppend(&text, i == 0 ? "" : ",", "\"tensor.", i, "\":{\"shape\":[1]}");
  ASSERT_OK_AND_ASSIGN(const json document, ParseJson(text + "}", "it"));
  EXPECT_EQ(document.size(), 100'000U);
}

TEST(JsonFieldsTest, ReadsWhatIsThere) {
  const json object = json::parse(R"({"i": -5, "n": 2.5, "t": "x", "b": true, "o": {"k": 1}, "whole": 3})");
  JsonFields fields(object, "it");
  EXPECT_EQ(fields.Integer("i"), -5);
  EXPECT_EQ(fields.Number("n"), 2.5);
  EXPECT_EQ(fields.Number("whole"), 3.0);
  EXPECT_EQ(fields.Text("t"), "x");
  EXPECT_EQ(fields.OptionalInteger("i"), -5);
  EXPECT_EQ(fields.OptionalNumber("n"), 2.5);
  EXPECT_EQ(fields.OptionalText("t"), "x");
  EXPECT_EQ(fields.OptionalBoolean("b"), true);
  EXPECT_TRUE(fields.BooleanOr("b", false));
  ASSERT_NE(fields.OptionalObject("o"), nullptr);
  EXPECT_EQ(fields.OptionalObject("o")->at("k"), 1);
  EXPECT_OK(fields.status());
}

TEST(JsonFieldsTest, TakesNullForAbsent) {
  const json object = {{"a", nullptr}};
  for (const char* name : {"a", "b"}) {
    JsonFields fields(object, "it");
    EXPECT_EQ(fields.OptionalInteger(name), std::nullopt);
    EXPECT_EQ(fields.OptionalNumber(name), std::nullopt);
    EXPECT_EQ(fields.OptionalText(name), std::nullopt);
    EXPECT_EQ(fields.OptionalBoolean(name), std::nullopt);
    EXPECT_EQ(fields.OptionalObject(name), nullptr);
    EXPECT_TRUE(fields.BooleanOr(name, true));
    EXPECT_OK(fields.status());
  }
}

TEST(JsonFieldsTest, NamesWhatIsMissing) {
  const json object = {{"null", nullptr}};
  JsonFields integer(object, "config.json");
  EXPECT_EQ(integer.Integer("size"), 0);
  EXPECT_THAT(integer.status(), StatusIs(absl::StatusCode::kInvalidArgument, Eq("config.json: \"size\" is missing")));
  JsonFields number(object, "it");
  EXPECT_EQ(number.Number("null"), 0.0);
  EXPECT_THAT(number.status(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"null\" is missing")));
  JsonFields text(object, "it");
  EXPECT_EQ(text.Text("name"), "");
  EXPECT_THAT(text.status(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"name\" is missing")));
}

TEST(JsonFieldsTest, NamesWhatHasTheWrongType) {
  const json object = json::parse(R"({"text": "5", "fraction": 5.0, "list": [], "big": 9223372036854775808})");
  auto fault = [&object](auto read) {
    JsonFields fields(object, "it");
    read(fields);
    return fields.status();
  };
  EXPECT_THAT(fault([](JsonFields& f) { f.Integer("text"); }),
              StatusIs(absl::StatusCode::kInvalidArgument, Eq("it: \"text\" is not a whole number")));
  EXPECT_THAT(fault([](JsonFields& f) { f.OptionalInteger("fraction"); }),
              StatusIs(absl::StatusCode::kInvalidArgument, Eq("it: \"fraction\" is not a whole number")));
  EXPECT_THAT(fault([](JsonFields& f) { f.OptionalInteger("big"); }),
              StatusIs(absl::StatusCode::kInvalidArgument, Eq("it: \"big\" is too large")));
  EXPECT_THAT(fault([](JsonFields& f) { f.Number("text"); }),
              StatusIs(absl::StatusCode::kInvalidArgument, Eq("it: \"text\" is not a number")));
  EXPECT_THAT(fault([](JsonFields& f) { f.Text("list"); }),
              StatusIs(absl::StatusCode::kInvalidArgument, Eq("it: \"list\" is not a string")));
  EXPECT_THAT(fault([](JsonFields& f) { f.BooleanOr("text", true); }),
              StatusIs(absl::StatusCode::kInvalidArgument, Eq("it: \"text\" is not true or false")));
  EXPECT_THAT(fault([](JsonFields& f) { f.OptionalObject("list"); }),
              StatusIs(absl::StatusCode::kInvalidArgument, Eq("it: \"list\" is not an object")));
}

TEST(JsonFieldsTest, RemembersTheFirstFault) {
  const json object = {{"a", "x"}};
  JsonFields fields(object, "it");
  fields.Integer("first");
  fields.Integer("a");
  fields.Text("third");
  EXPECT_THAT(fields.status(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("first")));
}

TEST(JsonFieldsTest, RefusesWhatIsNoObject) {
  for (const char* text : {"[]", "5", "null", "\"a\""}) {
    const json value = json::parse(text);
    JsonFields fields(value, "it");
    EXPECT_THAT(fields.status(), StatusIs(absl::StatusCode::kInvalidArgument, Eq("it is not a JSON object")));
    EXPECT_EQ(fields.OptionalText("a"), std::nullopt);
  }
}

}  // namespace
}  // namespace pivot
