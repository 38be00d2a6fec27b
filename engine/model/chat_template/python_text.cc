// SPDX-License-Identifier: Apache-2.0
#include "engine/model/chat_template/python_text.h"

#include <algorithm>
#include <utf8proc.h>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "engine/model/tokenizer/unicode.h"
#include "engine/model/tokenizer/utf8.h"

namespace pivot::chat {
namespace {

constexpr char32_t kInformationSeparators = 0x1C;  // and the three behind, which are white space to Python alone

bool IsSpace(char32_t c) {
  return tokenizer::IsWhiteSpace(c) || (c >= kInformationSeparators && c < kInformationSeparators + 4);
}

char32_t UpperOf(char32_t c) { return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))); }
char32_t LowerOf(char32_t c) { return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))); }
char32_t TitleOf(char32_t c) { return static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))); }

bool IsLetter(char32_t c) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}
bool IsDecimal(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ND; }
bool IsUpper(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_LU; }
bool IsLower(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_LL; }
bool IsTitle(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_LT; }
bool IsCased(char32_t c) { return IsUpper(c) || IsLower(c) || IsTitle(c); }

template <typename Body>
void ForEachCharacter(absl::string_view text, Body body) {
  for (size_t at = 0; at < text.size();) {
    const tokenizer::Character character = tokenizer::CharacterAt(text, at);
    body(character.code_point);
    at += character.num_bytes;
  }
}

template <typename Mapping>
std::string Map(absl::string_view text, Mapping mapping) {
  std::string mapped;
  mapped.reserve(text.size());
  ForEachCharacter(text, [&](char32_t c) { tokenizer::AppendUtf8(mapping(c), &mapped); });
  return mapped;
}

template <typename Predicate>
absl::string_view StripLeftWhile(absl::string_view text, Predicate is_stripped) {
  while (!text.empty()) {
    const tokenizer::Character first = tokenizer::CharacterAt(text, 0);
    if (!is_stripped(first.code_point)) break;
    text.remove_prefix(first.num_bytes);
  }
  return text;
}

template <typename Predicate>
absl::string_view StripRightWhile(absl::string_view text, Predicate is_stripped) {
  while (!text.empty()) {
    const tokenizer::Character last = tokenizer::LastCharacter(text);
    if (!is_stripped(last.code_point)) break;
    text.remove_suffix(last.num_bytes);
  }
  return text;
}

/// Whether a set of characters, as a text, has one.
auto IsIn(absl::string_view set) {
  return [set](char32_t c) {
    std::string character;
    tokenizer::AppendUtf8(c, &character);
    return absl::StrContains(set, character);
  };
}

}  // namespace

std::vector<absl::string_view> CharactersOf(absl::string_view text) {
  std::vector<absl::string_view> characters;
  for (size_t at = 0; at < text.size();) {
    const size_t size = tokenizer::CharacterAt(text, at).num_bytes;
    characters.push_back(text.substr(at, size));
    at += size;
  }
  return characters;
}

int64_t CountCharacters(absl::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; });
}

absl::string_view StripLeft(absl::string_view text) { return StripLeftWhile(text, IsSpace); }
absl::string_view StripRight(absl::string_view text) { return StripRightWhile(text, IsSpace); }
absl::string_view StripLeft(absl::string_view text, absl::string_view set) { return StripLeftWhile(text, IsIn(set)); }
absl::string_view StripRight(absl::string_view text, absl::string_view set) { return StripRightWhile(text, IsIn(set)); }

std::string Upper(absl::string_view text) { return Map(text, UpperOf); }
std::string Lower(absl::string_view text) { return Map(text, LowerOf); }

std::string Capitalize(absl::string_view text) {
  bool is_first = true;
  return Map(text, [&is_first](char32_t c) { return std::exchange(is_first, false) ? TitleOf(c) : LowerOf(c); });
}

std::string Title(absl::string_view text) {
  bool behind_letter = false;
  return Map(text, [&behind_letter](char32_t c) {
    const char32_t mapped = behind_letter ? LowerOf(c) : TitleOf(c);
    behind_letter = IsCased(c);
    return mapped;
  });
}

std::vector<std::string> SplitWords(absl::string_view text, int64_t max_splits) {
  std::vector<std::string> words;
  for (text = StripLeft(text); !text.empty(); text = StripLeft(text)) {
    if (max_splits >= 0 && static_cast<int64_t>(words.size()) == max_splits) {
      words.emplace_back(StripRight(text));
      break;
    }
    const absl::string_view rest = StripLeftWhile(text, [](char32_t c) { return !IsSpace(c); });
    words.emplace_back(text.substr(0, text.size() - rest.size()));
    text = rest;
  }
  return words;
}

std::vector<std::string> SplitBy(absl::string_view text, absl::string_view separator, int64_t max_splits) {
  std::vector<std::string> parts;
  while (max_splits < 0 || static_cast<int64_t>(parts.size()) < max_splits) {
    const size_t at = text.find(separator);
    if (at == text.npos) break;
    parts.emplace_back(text.substr(0, at));
    text.remove_prefix(at + separator.size());
  }
  parts.emplace_back(text);
  return parts;
}

std::vector<std::string> SplitRightBy(absl::string_view text, absl::string_view separator, int64_t max_splits) {
  std::vector<std::string> parts;
  while (max_splits < 0 || static_cast<int64_t>(parts.size()) < max_splits) {
    const size_t at = text.rfind(separator);
    if (at == text.npos) break;
    parts.emplace_back(text.substr(at + separator.size()));
    text = text.substr(0, at);
  }
  parts.emplace_back(text);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string> SplitLines(absl::string_view text) {
  const auto ends_line = [](char32_t c) {
    return (c >= 0x0A && c <= 0x0D) || (c >= kInformationSeparators && c <= kInformationSeparators + 2) || c == 0x85 ||
           c == 0x2028 || c == 0x2029;
  };
  std::vector<std::string> lines;
  while (!text.empty()) {
    const absl::string_view rest = StripLeftWhile(text, [&](char32_t c) { return !ends_line(c); });
    lines.emplace_back(text.substr(0, text.size() - rest.size()));
    text = rest;
    if (!text.empty() && !absl::ConsumePrefix(&text, "\r\n"))
      text.remove_prefix(tokenizer::CharacterAt(text, 0).num_bytes);
  }
  return lines;
}

std::string Replace(absl::string_view text, absl::string_view from, absl::string_view to, int64_t count) {
  std::string replaced;
  const auto may_go_on = [&count] { return count < 0 || count-- > 0; };
  if (from.empty()) {
    for (const absl::string_view character : CharactersOf(text)) {
      if (may_go_on()) absl::StrAppend(&replaced, to);
      absl::StrAppend(&replaced, character);
    }
    if (may_go_on()) absl::StrAppend(&replaced, to);
    return replaced;
  }
  for (size_t at = text.find(from); at != text.npos && may_go_on(); at = text.find(from)) {
    absl::StrAppend(&replaced, text.substr(0, at));
    absl::StrAppend(&replaced, to);
    text.remove_prefix(at + from.size());
  }
  absl::StrAppend(&replaced, text);
  return replaced;
}

int64_t FindFirst(absl::string_view text, absl::string_view part) {
  const size_t at = text.find(part);
  return at == text.npos ? -1 : CountCharacters(text.substr(0, at));
}

int64_t FindLast(absl::string_view text, absl::string_view part) {
  const size_t at = text.rfind(part);
  return at == text.npos ? -1 : CountCharacters(text.substr(0, at));
}

int64_t CountParts(absl::string_view text, absl::string_view part) {
  if (part.empty()) return CountCharacters(text) + 1;
  int64_t count = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

bool AllAre(absl::string_view text, CharacterTest test) {
  bool all = !text.empty();
  bool any_cased = false;
  ForEachCharacter(text, [&](char32_t c) {
    const bool upper = IsUpper(c);
    const bool lower = IsLower(c);
    any_cased = any_cased || upper || lower;
    const bool holds[] = {IsLetter(c), IsDecimal(c),          IsLetter(c) || IsDecimal(c),
                          IsSpace(c),  !lower && !IsTitle(c), !upper && !IsTitle(c)};
    all = all && holds[static_cast<size_t>(test)];
  });
  return all && (any_cased || (test != CharacterTest::kUpper && test != CharacterTest::kLower));
}

}  // namespace pivot::chat
