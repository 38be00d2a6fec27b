// SPDX-License-Identifier: Apache-2.0
// Files that Tokenizer does not take: what it lacks, what is malformed, what is not even JSON.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/model/tokenizer/component.h"
#include "proto/status/reason.h"
#include "tests/engine/tokenizer/small_tokenizer.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using Pointer = json::json_pointer;

struct Refusal {
  std::string name;
  std::string place;  // what is replaced in a good file
  json value;
  std::string message;  // contains
};

void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.name; }
std::string NameOf(const ::testing::TestParamInfo<Refusal>& info) { return info.param.name; }

json Sequence(const char* list, const std::vector<json>& parts) { return {{"type", "Sequence"}, {list, parts}}; }

json SplitJson(const std::string& regex) {
  return Sequence("pretokenizers",
                  {{{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}},
                   ByteLevelJson()});
}

class UnsupportedTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(UnsupportedTest, IsNamed) {
  json file = SmallTokenizerJson();
  file[Pointer(GetParam().place)] = GetParam().value;
  const auto tokenizer = MakeTokenizer(file);
  EXPECT_THAT(tokenizer, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(GetParam().message)));
  EXPECT_EQ(ReasonOf(tokenizer.status()), "UNSUPPORTED_TOKENIZER");
}

INSTANTIATE_TEST_SUITE_P(
    Components, UnsupportedTest,
    ::testing::Values(
        Refusal{"model", "/model/type", "WordLevel", "the model \"WordLevel\" is not supported"},
        Refusal{"dropout", "/model/dropout", 0.1, "\"dropout\""},
        Refusal{"normalizer", "/normalizer", {{"type", "ByteLevel"}}, "the normalizer \"ByteLevel\""},
        Refusal{"empty_pattern",
                "/normalizer",
                {{"type", "Replace"}, {"pattern", {{"String", ""}}}, {"content", "x"}},
                "the normalizer \"Replace\" with an empty pattern"},
        Refusal{
            "pre_tokenizer", "/pre_tokenizer", {{"type", "UnicodeScripts"}}, "the pre_tokenizer \"UnicodeScripts\""},
        Refusal{"byte_level_twice", "/pre_tokenizer", Sequence("pretokenizers", {ByteLevelJson(), ByteLevelJson()}),
                "a pre_tokenizer after \"ByteLevel\""},
        Refusal{"post_processor", "/post_processor", {{"type", "Pairs"}}, "the post_processor \"Pairs\""},
        Refusal{"two_templates", "/post_processor",
                Sequence("processors", {{{"type", "TemplateProcessing"}, {"single", json::array()}},
                                        {{"type", "TemplateProcessing"}, {"single", json::array()}}}),
                "two templates"},
        Refusal{"decoder", "/decoder", {{"type", "CTC"}}, "the decoder \"CTC\""},
        Refusal{"decoder_regex",
                "/decoder",
                {{"type", "Replace"}, {"pattern", {{"Regex", "a"}}}, {"content", "x"}},
                "of a \"Regex\""},
        Refusal{"truncation", "/truncation", {{"max_length", 5}}, "\"truncation\""},
        Refusal{"padding", "/padding", {{"length", 5}}, "\"padding\""},
        Refusal{"version", "/version", "2.0", "\"version\""}, Refusal{"member", "/more", 1, "the member \"more\""},
        Refusal{"script", "/pre_tokenizer", SplitJson(R"(\p{Han}+)"), "the property \"Han\""},
        Refusal{"intersection", "/pre_tokenizer", SplitJson(R"([a-z&&[^e]])"), "an intersection"},
        Refusal{"word_boundary", "/pre_tokenizer", SplitJson(R"(\bx)"), "that escape"}),
    NameOf);

TEST(RefusalTest, WantsAVocabularyAndMerges) {
  for (const char* name : {"vocab", "merges"}) {
    json file = SmallTokenizerJson();
    file["model"].erase(name);
    EXPECT_THAT(MakeTokenizer(file), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name)));
    for (const json& wrong : {json(5), json("text")}) {
      file["model"][name] = wrong;
      EXPECT_THAT(MakeTokenizer(file), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("another form")));
    }
  }
}

class MalformedTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(MalformedTest, IsNamed) {
  json file = SmallTokenizerJson();
  file[Pointer(GetParam().place)] = GetParam().value;
  EXPECT_THAT(MakeTokenizer(file), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().message)));
}

json TemplateWithoutToken() {
  return {{"type", "TemplateProcessing"},
          {"single", {{{"SpecialToken", {{"id", "B"}, {"type_id", 0}}}}}},
          {"special_tokens", json::object()}};
}

INSTANTIATE_TEST_SUITE_P(
    Components, MalformedTest,
    ::testing::Values(
        Refusal{"no_model", "/model", nullptr, "there is no model"},
        Refusal{"model_is_list", "/model", {1}, "there is no model"},
        Refusal{"negative_id", "/model/vocab/a", -1, "the token \"a\" has no id from 0"},
        Refusal{"large_id", "/model/vocab/a", tokenizer::kMaxTokenIds, "the token \"a\" has no id from 0 to 16777215"},
        Refusal{"id_is_text", "/model/vocab/a", "7", "the token \"a\" has no id"},
        Refusal{"id_is_object", "/model/vocab/a", json::object(), "the token \"a\" has no id"},
        Refusal{"id_twice", "/model/vocab/a", 98, "two tokens have the id 98"},
        Refusal{"merge_of_one", "/model/merges", {"a"}, "model.merges: entry 0"},
        Refusal{"merge_of_three", "/model/merges", {"a b c"}, "model.merges: entry 0"},
        Refusal{"merge_list_of_three", "/model/merges", {{"a", "b", "c"}}, "model.merges: entry 1"},
        Refusal{"merge_is_number", "/model/merges", {1}, "model.merges: entry 0"},
        Refusal{"merge_unknown", "/model/merges", {"a b"}, "not in the vocabulary"},
        Refusal{"merge_forms_mixed", "/model/merges", {json::array({"Ġ", "t"}), "a b"}, "another form"},
        Refusal{"added_without_flag", "/added_tokens", {{{"id", 256}, {"content", "x"}}}, "\"single_word\""},
        Refusal{"added_with_wrong_id", "/added_tokens", json::array({AddedTokenJson(300, "<x>")}),
                "has the id 300; by the rules"},
        Refusal{"added_twice", "/added_tokens", {AddedTokenJson(256, "<x>"), AddedTokenJson(256, "<x>")}, "twice"},
        Refusal{"added_is_object", "/added_tokens", json::object(), "not a list"},
        Refusal{"type_missing", "/pre_tokenizer", json::object(), "\"type\""},
        Refusal{"type_is_number", "/normalizer", {{"type", 1}}, "\"type\""},
        Refusal{"flag_missing", "/pre_tokenizer", {{"type", "Digits"}}, "\"individual_digits\""},
        Refusal{"template_token", "/post_processor", TemplateWithoutToken(), "does not define its token \"B\""},
        Refusal{"bpe_without_ids", "/model/vocab", json::array({json::array({"a", -1.5})}),
                "\"vocab\" has another form"},
        Refusal{"empty_vocabulary", "/model/vocab", json::object(), "\"vocab\" is empty"},
        Refusal{"metaspace_of_two", "/pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "__"}}, "one character"},
        Refusal{"metaspace_contradiction",
                "/pre_tokenizer",
                {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "first"}, {"add_prefix_space", false}},
                "contradicts itself"},
        Refusal{"metaspace_scheme",
                "/pre_tokenizer",
                {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "last"}},
                "the unknown prepend_scheme \"last\""},
        Refusal{"charsmap_no_base64",
                "/normalizer",
                {{"type", "Precompiled"}, {"precompiled_charsmap", "?"}},
                "not base64"},
        Refusal{"charsmap_short",
                "/normalizer",
                {{"type", "Precompiled"}, {"precompiled_charsmap", "AAEAAAAA"}},
                "no array of the size"},
        Refusal{"pair_without_id",
                "/post_processor",
                {{"type", "BertProcessing"}, {"sep", {"x", 1}}, {"cls", json::array({"y"})}},
                "\"cls\", a token and its id"},
        Refusal{"regex_of_pcre2", "/pre_tokenizer", SplitJson("(?<=a+)b"), "lookbehind"}),
    NameOf);

TEST(RefusalTest, RefusesAMemberThatComesTwice) {
  std::string text = SmallTokenizerJson().dump();
  text.insert(1, R"("decoder": null, )");
  EXPECT_THAT(Tokenizer::FromJson(text),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"decoder\" appears twice")));
}

TEST(RefusalTest, RefusesATokenThatComesTwice) {
  std::string text = SmallTokenizerJson().dump();
  text.insert(text.find("\"vocab\":{") + 9, R"("b":500, )");
  EXPECT_THAT(Tokenizer::FromJson(text),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the token \"b\" appears twice")));
}

TEST(RefusalTest, BoundsDepth) {
  const std::string deep(100'000, '[');
  EXPECT_THAT(Tokenizer::FromJson(deep),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nested deeper than 64")));
}

TEST(RefusalTest, BoundsTheNumberOfValues) {
  std::string many = "[0";
  for (int i = 0; i < 1'100'000; ++i) many += ",0";
  EXPECT_THAT(Tokenizer::FromJson(many + "]"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more than 1000000 values")));
}

TEST(RefusalTest, TellsWhereTheJsonEnds) {
  EXPECT_THAT(Tokenizer::FromJson("{\"version\": }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at byte 13")));
  EXPECT_THAT(Tokenizer::FromJson(""), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not valid JSON")));
  EXPECT_THAT(Tokenizer::FromJson("[1e999]"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not valid JSON")));
}

TEST(RefusalTest, RefusesAFileCutAtAnyPlace) {
  json file = SmallTokenizerJson({{"a", "b"}, {"ab", "c"}});
  file["added_tokens"] = json::array({AddedTokenJson(258, "<s>")});
  const std::string text = file.dump();
  ASSERT_OK(Tokenizer::FromJson(text));
  for (size_t length = 0; length < text.size(); ++length) {
    ASSERT_THAT(Tokenizer::FromJson(text.substr(0, length)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not valid JSON")));
  }
}

TEST(RefusalTest, SurvivesDamage) {
  json file = SmallTokenizerJson({{"a", "b"}, {"ab", "c"}});
  file["added_tokens"] = json::array({AddedTokenJson(258, "<s>", {{"lstrip", true}})});
  file["pre_tokenizer"] = SplitJson(R"((?i:'s|'t)|[^\r\n\p{L}]?\p{L}+|\p{N}{1,3}|\s+(?!\S)|\s)");
  const std::string text = file.dump();
  uint32_t state = 1;
  const auto below = [&](size_t limit) {
    state = state * 1664525U + 1013904223U;
    return (state >> 8U) % limit;
  };
  const std::string interesting = "\"{}[],:0123456789-+.eE\\ab()?*|^$ntrue\xFF\x80";
  // The vocabulary's letters make up most of the file: damage the rest more often.
  const size_t end_of_model = text.find("\"normalizer\"");
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = text;
    for (size_t change = 0; change <= below(3); ++change) {
      const size_t place = i % 2 == 0 ? below(text.size()) : end_of_model + below(text.size() - end_of_model);
      damaged[place] = interesting[below(interesting.size())];
    }
    const auto tokenizer = Tokenizer::FromJson(damaged);
    if (!tokenizer.ok()) continue;
    const auto ids = tokenizer->Encode("It's abc <s> 1234\n\n é", SpecialTokens::kAdd);
    if (ids.ok()) tokenizer->Decode(*ids, SpecialText::kKeep);
  }
}

}  // namespace
}  // namespace pivot
