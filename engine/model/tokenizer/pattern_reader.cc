// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/pattern_reader.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/component.h"
#include "engine/model/tokenizer/utf8.h"

namespace pivot::tokenizer {
namespace {

/// General categories. Scripts are not among them: their members differ with the version of Unicode, and stand-ins are
/// chosen by category.
constexpr std::array<absl::string_view, 36> kCategories = {
    "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N",  "Nd", "Nl", "No", "P",  "Pc", "Pd", "Ps",
    "Pe", "Pi", "Pf", "Po", "S",  "Sm", "Sc", "Sk", "So", "Z",  "Zs", "Zl", "Zp", "C",  "Cc", "Cf", "Co", "Cn"};

/// Letters that name a control character; \v is a class in PCRE2, so it is not passed on as it is.
char32_t ControlCharacter(char letter) {
  switch (letter) {
    case 'a':
      return 0x07;
    case 't':
      return 0x09;
    case 'n':
      return 0x0A;
    case 'v':
      return 0x0B;
    case 'f':
      return 0x0C;
    case 'r':
      return 0x0D;
    case 'e':
      return 0x1B;
    default:
      return 0;
  }
}

bool IsDigit(char byte) { return absl::ascii_isdigit(static_cast<unsigned char>(byte)); }

}  // namespace

// Letters, marks, decimal and letter-like numbers, connectors, circled and squared letters.
const char kWordMembers[] =
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{1F149}\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{"
    "1F189}";
// Superscripts and fractions: single characters of Latin-1 are looked up in a table of their own.
const char kMoreWordMembers[] = "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";

std::string LiteralPattern(char32_t code_point) {
  if (code_point < 0x80 && absl::ascii_isalnum(static_cast<unsigned char>(code_point))) {
    return std::string(1, static_cast<char>(code_point));
  }
  return absl::StrCat("\\x{", absl::Hex(static_cast<uint32_t>(code_point)), "}");
}

char32_t PatternReader::TakeCharacter() {
  const Character character = CharacterAt(pattern_, offset_);
  offset_ += character.num_bytes;
  return character.code_point;
}

bool PatternReader::Consume(absl::string_view prefix) {
  if (!Starts(prefix)) return false;
  offset_ += prefix.size();
  return true;
}

absl::Status PatternReader::Refuse(absl::string_view what) const {
  return Unsupported(absl::StrCat("in the pattern ", Quoted(pattern_), ", ", what, " before byte ", offset_));
}

absl::StatusOr<Escape> PatternReader::TakeEscape() {
  Take();
  if (AtEnd()) return Refuse("a backslash without a character");
  const char letter = Take();
  if (const char32_t control = ControlCharacter(letter)) return Escape{control, ""};
  switch (letter) {
    case 's':
    case 'S':
    case 'd':
    case 'D':
      return Escape{0, absl::StrCat("\\", std::string(1, letter))};
    case 'p':
    case 'P':
      --offset_;
      return TakeProperty();
    case 'x':
    case 'u':
      return TakeCodePoint(letter);
    default:
      break;
  }
  if (absl::ascii_ispunct(static_cast<unsigned char>(letter))) return Escape{static_cast<unsigned char>(letter), ""};
  return Refuse("that escape");
}

absl::StatusOr<Escape> PatternReader::TakeProperty() {
  bool negated = Take() == 'P';
  if (!Consume("{")) return Refuse("a property without braces");
  if (!negated && Consume("^")) negated = true;
  const size_t end = pattern_.find('}', offset_);
  if (end == absl::string_view::npos) return Refuse("a property without its closing brace");
  const absl::string_view name = pattern_.substr(offset_, end - offset_);
  offset_ = end + 1;
  if (std::find(kCategories.begin(), kCategories.end(), name) == kCategories.end()) {
    return Refuse(absl::StrCat("the property ", Quoted(name)));
  }
  return Escape{0, absl::StrCat(negated ? "\\P{" : "\\p{", name, "}")};
}

absl::StatusOr<Escape> PatternReader::TakeCodePoint(char kind) {
  const bool braced = kind == 'x' && Consume("{");
  const absl::string_view digits = TakeHexDigits(kind == 'u' ? 4 : braced ? 6 : 2);
  uint32_t value = 0;
  if (!absl::SimpleHexAtoi(digits, &value)) return Refuse("an escape without its hexadecimal digits");
  if ((kind == 'u' && digits.size() != 4) || (braced && !Consume("}"))) return Refuse("that escape");
  // "\xE9" is a byte of UTF-8 there, not a character.
  const bool is_byte = kind == 'x' && !braced && value >= 0x80;
  if (is_byte || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
    return Refuse("an escape that is no character");
  return Escape{value, ""};
}

absl::string_view PatternReader::TakeHexDigits(size_t max_digits) {
  const size_t begin = offset_;
  while (offset_ - begin < max_digits && absl::ascii_isxdigit(static_cast<unsigned char>(Peek()))) ++offset_;
  return pattern_.substr(begin, offset_ - begin);
}

std::optional<int> PatternReader::TakeCount() {
  const size_t begin = offset_;
  while (offset_ - begin < 3 && IsDigit(Peek())) ++offset_;
  int count = 0;
  if (!absl::SimpleAtoi(pattern_.substr(begin, offset_ - begin), &count)) return std::nullopt;
  return count;
}

absl::StatusOr<std::optional<Interval>> PatternReader::TakeInterval() {
  const absl::string_view after_brace = pattern_.substr(offset_ + 1, 1);
  if (after_brace.empty() || !(IsDigit(after_brace[0]) || after_brace[0] == ',')) return std::nullopt;
  Take();
  const std::optional<int> least = TakeCount();
  const bool has_comma = Consume(",");
  const std::optional<int> most = has_comma ? TakeCount() : least;
  // "{,3}" means "{0,3}" in Ruby's syntax, and nothing special in PCRE2's.
  const bool is_void = !least.has_value() && !most.has_value();
  const bool is_reversed = most.has_value() && least.value_or(0) > *most;
  if (!Consume("}") || is_void || is_reversed) return Refuse("that repetition");
  std::string text = absl::StrCat("{", least.value_or(0), has_comma ? "," : "");
  if (has_comma && most.has_value()) absl::StrAppend(&text, *most);
  return Interval{text + "}", !has_comma};
}

}  // namespace pivot::tokenizer
