// SPDX-License-Identifier: Apache-2.0
// What tests/engine/chat_template/parity_test.py compares with Jinja at length, in short.
#include "engine/model/chat_template/chat_template.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using nlohmann::ordered_json;

std::string Render(const std::string& source, const ordered_json& variables = ordered_json::object()) {
  std::tm now{};
  now.tm_year = 124;
  now.tm_mon = 6;
  now.tm_mday = 26;
  const auto parsed = ChatTemplate::Parse(source);
  if (!parsed.ok()) return std::string(parsed.status().message());
  const auto text = parsed->Render(variables, now);
  return text.ok() ? *text : std::string(text.status().message());
}

TEST(ChatTemplateTest, WritesChatMl) {
  const std::string source =
      "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
      "'\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  const ordered_json variables = {
      {"messages", {{{"role", "user"}, {"content", "Hi"}}, {{"role", "assistant"}, {"content", "Ho"}}}},
      {"add_generation_prompt", true}};
  EXPECT_EQ(Render(source, variables),
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHo<|im_end|>\n<|im_start|>assistant\n");
}

TEST(ChatTemplateTest, TrimsLinesThatHoldOnlyABlock) {
  EXPECT_EQ(Render("a\n  {% if true %}\n  b\n  {% endif %}\nc\n"), "a\n  b\nc");
  EXPECT_EQ(Render("a\n  {%- if true -%}\n  b\n  {%- endif %}\nc"), "abc");
  EXPECT_EQ(Render("a\n {# gone #}\nb {{- 1 -}} c"), "a\nb1c");
}

TEST(ChatTemplateTest, MembersKeepTheirOrderInJson) {
  const ordered_json variables = {{"tool", {{"name", "f"}, {"a", {1, 2.5, nullptr}}, {"é", "\n"}}}};
  EXPECT_EQ(Render("{{ tool | tojson }}", variables), "{\"name\": \"f\", \"a\": [1, 2.5, null], \"é\": \"\\n\"}");
  EXPECT_EQ(Render("{{ tool | tojson(ensure_ascii=true, separators=(',', ':')) }}", variables),
            "{\"name\":\"f\",\"a\":[1,2.5,null],\"\\u00e9\":\"\\n\"}");
  EXPECT_EQ(Render("{{ tool.a | tojson(indent=1) }}", variables), "[\n 1,\n 2.5,\n null\n]");
}

TEST(ChatTemplateTest, NamespacesCarryValuesOutOfLoops) {
  EXPECT_EQ(Render("{% set ns = namespace(n=0) %}{% set x = 0 %}{% for i in range(4) %}{% set ns.n = ns.n + i %}"
                   "{% set x = i %}{% endfor %}{{ ns.n }}{{ x }}"),
            "60");
}

TEST(ChatTemplateTest, MacrosTakeDefaultsAndCallThemselves) {
  EXPECT_EQ(Render("{% macro f(n, end='.') %}{{ n }}{% if n > 0 %}{{ f(n - 1, end) }}{% else %}{{ end }}{% endif %}"
                   "{% endmacro %}{{ f(2) }}{{ f(0, end='!') }}"),
            "210.0!");
}

TEST(ChatTemplateTest, CharactersAreCodePoints) {
  EXPECT_EQ(Render("{{ s | length }}{{ s[1] }}{{ s[::-1] }}{{ s.upper() }}{{ s.find('é') }}", {{"s", "aé漢"}}),
            "3é漢éaAÉ漢1");
}

TEST(ChatTemplateTest, GeneratorsAreGoneThroughOnce) {
  EXPECT_EQ(Render("{% set g = [1, 2] | map('string') %}{{ g | join('-') }}/{{ g | join('-') }}{% if g %}!{% endif %}"),
            "1-2/!");
}

TEST(ChatTemplateTest, TellsTheMomentItIsGiven) { EXPECT_EQ(Render("{{ strftime_now('%d %b %Y') }}"), "26 Jul 2024"); }

}  // namespace
}  // namespace pivot
