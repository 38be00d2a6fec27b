// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/model/chat_template/chat_template.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using nlohmann::ordered_json;
using ::testing::HasSubstr;

absl::StatusOr<std::string> Render(const std::string& source) {
  const auto parsed = ChatTemplate::Parse(source);
  if (!parsed.ok()) return parsed.status();
  return parsed->Render(ordered_json::object(), std::tm{});
}

void ExpectRefused(const std::string& source, const std::string& phrase) {
  const auto text = Render(source);
  EXPECT_THAT(text, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(phrase))) << source.substr(0, 200);
  EXPECT_EQ(ReasonOf(text.status()), "INVALID_CHAT_TEMPLATE");
}

std::string Repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(ChatTemplateRefusalTest, NamesTheLineAndWhatIsNotKnown) {
  ExpectRefused("a\n{% include 'x' %}", "line 2: the tag {% include %} is not supported");
  ExpectRefused("\n\n{{ 1 | nope }}", "line 3: there is no filter nope");
  ExpectRefused("{{ 1 | wordcount }}", "line 1: the filter wordcount is not supported");
  ExpectRefused("{{ 1 is nope }}", "line 1: there is no test nope");
  ExpectRefused("{{ 'a'.casefold() }}", "str.casefold is not supported");
  ExpectRefused("{{ 'a'.__class__ }}", "__class__ is not supported");
  ExpectRefused("{{ joiner() }}", "joiner is not supported");
}

TEST(ChatTemplateRefusalTest, TellsWhatATemplateRaises) {
  ExpectRefused("{{ raise_exception('roles must alternate') }}", "refuses these messages: roles must alternate");
}

TEST(ChatTemplateRefusalTest, LoopsEnd) {
  const std::string loop = "{% for i in range(100000) %}";
  ExpectRefused(Repeat(loop, 3) + "x" + Repeat("{% endfor %}", 3), "takes too long");
  ExpectRefused("{% for i in range(100000) %}{{ 'x' * 100000 }}{% endfor %}", "64 MiB");
}

TEST(ChatTemplateRefusalTest, TextsStaySmall) {
  ExpectRefused("{{ 'xx' * 9000000 }}", "longer than");
  ExpectRefused("{{ 'xx' * 9223372036854775807 }}", "longer than");
  ExpectRefused(
      "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
      "longer than");
  ExpectRefused("{{ [1] * 9223372036854775807 }}", "takes too long");
  ExpectRefused("{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
                "takes too long");
}

TEST(ChatTemplateRefusalTest, NothingNestsWithoutEnd) {
  ExpectRefused("{{ " + Repeat("(", 5000) + "1" + Repeat(")", 5000) + " }}", "nested deeper");
  ExpectRefused("{{ " + Repeat("[", 5000) + Repeat("]", 5000) + " }}", "nested deeper");
  ExpectRefused("{{ " + Repeat("not ", 5000) + "1 }}", "too many");
  ExpectRefused("{{ " + Repeat("-", 5000) + "1 }}", "too many");
  ExpectRefused("{{ 1" + Repeat(" + 1", 5000) + " }}", "deeper than");
  ExpectRefused("{{ 1" + Repeat(" | abs", 5000) + " }}", "deeper than");
  ExpectRefused("{{ x" + Repeat(".x", 5000) + " }}", "deeper than");
  ExpectRefused("{{ 1" + Repeat(" if 1", 5000) + " }}", "deeper than");
  ExpectRefused(Repeat("{% if 1 %}", 5000) + Repeat("{% endif %}", 5000), "nested deeper");
  ExpectRefused("{% if 1 %}" + Repeat("{% elif 1 %}", 5000) + "{% endif %}", "deeper than");
  ExpectRefused("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "deep");
  ExpectRefused("{% set ns = namespace(x=[]) %}{% for i in range(5000) %}{% set ns.x = [ns.x] %}{% endfor %}",
                "nested deeper");
}

TEST(ChatTemplateRefusalTest, NothingHoldsItself) {
  ExpectRefused("{% set ns = namespace() %}{% set ns.x = ns %}", "a namespace in a list, dict or namespace");
  ExpectRefused("{% macro f() %}{% set x = [caller] %}{% endmacro %}{% call f() %}{% endcall %}",
                "a function in a list");
  ExpectRefused("{% set x = namespace(f='a'.upper) %}", "a function in a list, dict or namespace");
  EXPECT_OK(Render("{% macro f() %}{% endmacro %}{% set x = namespace(f=[f]) %}{{ x.f[0]() }}"));
}

TEST(ChatTemplateRefusalTest, IntegersDoNotWrap) {
  ExpectRefused("{{ 9223372036854775807 + 1 }}", "of more than 64 bits");
  ExpectRefused("{{ 10 ** 30 }}", "of more than 64 bits");
  ExpectRefused("{{ -(-9223372036854775807 - 1) }}", "of more than 64 bits");
  ExpectRefused("{{ 9223372036854775808 }}", "of more than 64 bits");
  ExpectRefused("{{ 1 // 0 }}", "division by zero");
  ExpectRefused("{{ 1 % 0 }}", "division by zero");
}

TEST(ChatTemplateRefusalTest, SourceIsUtf8OfAMegabyteAtMost) {
  ExpectRefused("\xff", "not valid UTF-8");
  ExpectRefused(std::string((1U << 20U) + 1, 'x'), "larger than 1 MiB");
}

}  // namespace
}  // namespace pivot
