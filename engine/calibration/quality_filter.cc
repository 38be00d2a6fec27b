// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/quality_filter.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace pivot {
namespace {

constexpr int64_t kMinCharacters = 100;
constexpr double kMinAsciiShare = 0.80;
constexpr int64_t kMinWords = 20;
constexpr double kMinWordLength = 2;
constexpr double kMaxWordLength = 15;
constexpr int64_t kMinSentenceEnds = 2;
constexpr int64_t kMaxRun = 4;
constexpr double kMaxSpecialShare = 0.05;
constexpr int64_t kMaxUrls = 5;
constexpr double kMaxDigitShare = 0.30;

bool BeginsCharacter(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; }

struct CharacterCounts {
  int64_t all = 0;
  int64_t ascii = 0;
  int64_t sentence_ends = 0;
  int64_t special = 0;
  int64_t digits = 0;
};

CharacterCounts CountCharacters(absl::string_view text) {
  constexpr absl::string_view kPunctuation = ".,;:!?'\"()-";
  CharacterCounts counts;
  for (const char byte : text) {
    counts.all += BeginsCharacter(byte) ? 1 : 0;
    if (!absl::ascii_isascii(static_cast<unsigned char>(byte))) continue;
    const auto character = static_cast<unsigned char>(byte);
    ++counts.ascii;
    counts.digits += absl::ascii_isdigit(character) ? 1 : 0;
    counts.sentence_ends += byte == '.' || byte == '!' || byte == '?' ? 1 : 0;
    const bool plain =
        absl::ascii_isalnum(character) || absl::ascii_isspace(character) || absl::StrContains(kPunctuation, byte);
    counts.special += plain ? 0 : 1;
  }
  return counts;
}

struct WordCounts {
  int64_t words = 0;
  int64_t characters = 0;
  int64_t longest_run = 0;
};

WordCounts CountWords(absl::string_view text) {
  WordCounts counts;
  absl::string_view last;
  int64_t run = 0;
  for (const absl::string_view word : absl::StrSplit(text, absl::ByAnyChar(" \t\n\v\f\r"), absl::SkipEmpty())) {
    ++counts.words;
    for (const char byte : word) counts.characters += BeginsCharacter(byte) ? 1 : 0;
    run = absl::EqualsIgnoreCase(word, last) ? run + 1 : 1;
    counts.longest_run = std::max(counts.longest_run, run);
    last = word;
  }
  return counts;
}

bool HasHtml(absl::string_view text) {
  for (size_t at = text.find('<'); at != text.npos; at = text.find('<', at + 1)) {
    absl::string_view rest = text.substr(at + 1);
    if (absl::StartsWith(rest, "!--") || absl::StartsWithIgnoreCase(rest, "!doctype")) return true;
    absl::ConsumePrefix(&rest, "/");
    if (rest.empty() || !absl::ascii_isalpha(static_cast<unsigned char>(rest.front()))) continue;
    const size_t end = rest.find_first_of("<>");
    if (end != rest.npos && rest[end] == '>') return true;
  }
  return false;
}

int64_t CountUrls(absl::string_view text) {
  int64_t urls = 0;
  for (size_t at = text.find("://"); at != text.npos; at = text.find("://", at + 3)) {
    const absl::string_view before = text.substr(0, at);
    urls += absl::EndsWithIgnoreCase(before, "http") || absl::EndsWithIgnoreCase(before, "https") ? 1 : 0;
  }
  for (size_t at = text.find("www."); at != text.npos; at = text.find("www.", at + 4)) {
    urls += at == 0 || text[at - 1] != '/' ? 1 : 0;
  }
  return urls;
}

}  // namespace

std::optional<QualityRule> BrokenRule(absl::string_view text) {
  const CharacterCounts characters = CountCharacters(text);
  const auto all = static_cast<double>(characters.all);
  if (characters.all < kMinCharacters) return QualityRule::kShort;
  if (static_cast<double>(characters.ascii) < kMinAsciiShare * all) return QualityRule::kNotAscii;
  const WordCounts words = CountWords(text);
  if (words.words < kMinWords) return QualityRule::kFewWords;
  const double length = static_cast<double>(words.characters) / static_cast<double>(words.words);
  if (length < kMinWordLength || length > kMaxWordLength) return QualityRule::kWordLength;
  if (characters.sentence_ends < kMinSentenceEnds) return QualityRule::kFewSentences;
  if (words.longest_run > kMaxRun) return QualityRule::kRepeatedWord;
  if (HasHtml(text)) return QualityRule::kHtml;
  if (static_cast<double>(characters.special) > kMaxSpecialShare * all) return QualityRule::kSpecialCharacters;
  if (CountUrls(text) > kMaxUrls) return QualityRule::kUrls;
  if (static_cast<double>(characters.digits) > kMaxDigitShare * all) return QualityRule::kDigits;
  return std::nullopt;
}

}  // namespace pivot
