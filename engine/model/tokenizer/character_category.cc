// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/character_category.h"

#include <algorithm>
#include <utf8proc.h>

#include "absl/strings/ascii.h"

#include "engine/model/tokenizer/category_tables.h"
#include "engine/model/tokenizer/code_point_range.h"
#include "engine/model/tokenizer/utf8.h"

namespace pivot::tokenizer {
namespace {

constexpr char32_t kNumAscii = 0x80;

utf8proc_category_t CategoryOf(char32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

template <typename Table>
bool Differs(const Table& table, char32_t code_point) {
  return FindRange(table, code_point) != nullptr;
}

/// Whether a cluster goes on from one character to the next, by data as old as those of `tokenizers`.
bool Breaks(char32_t before, char32_t after, utf8proc_int32_t* state) {
  const bool breaks = utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(before),
                                                       static_cast<utf8proc_int32_t>(after), state) != 0;
  if (after < kNumAscii || !Differs(kOtherExtending, after)) return breaks;
  // Nothing joins a control character.
  const utf8proc_category_t category = CategoryOf(before);
  const bool is_control = before < kNumAscii ? absl::ascii_iscntrl(static_cast<unsigned char>(before))
                                             : category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_ZL ||
                                                   category == UTF8PROC_CATEGORY_ZP;
  return is_control ? breaks : !breaks;
}

}  // namespace

bool IsPunctuation(char32_t code_point) {
  if (code_point < kNumAscii) return absl::ascii_ispunct(static_cast<unsigned char>(code_point));
  const utf8proc_category_t category = CategoryOf(code_point);
  const bool ours = category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
  return ours != Differs(kOtherPunctuation, code_point);
}

bool IsBertControl(char32_t code_point) {
  if (code_point == '\t' || code_point == '\n' || code_point == '\r') return false;
  if (code_point < kNumAscii) return absl::ascii_iscntrl(static_cast<unsigned char>(code_point));
  const utf8proc_category_t category = CategoryOf(code_point);
  const bool ours =
      category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CO;
  return ours != Differs(kOtherControls, code_point);
}

bool IsBertIdeograph(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x2F800 && c <= 0x2FA1F);
}

bool IsNonspacingMark(char32_t code_point) {
  if (code_point < kNumAscii) return false;
  return (CategoryOf(code_point) == UTF8PROC_CATEGORY_MN) != Differs(kOtherNonspacing, code_point);
}

bool IsCombiningMark(char32_t code_point) {
  if (code_point < kNumAscii) return false;
  const utf8proc_category_t category = CategoryOf(code_point);
  const bool ours = category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
  return ours != Differs(kOtherMarks, code_point);
}

bool IsInertForCompatibility(char32_t code_point) { return Differs(kOtherCompatibility, code_point); }

char32_t Lowercase(char32_t code_point) {
  if (code_point < kNumAscii) return static_cast<char32_t>(absl::ascii_tolower(static_cast<unsigned char>(code_point)));
  const auto found = std::lower_bound(kOtherLowercase.begin(), kOtherLowercase.end(), code_point,
                                      [](const LowercasePair& pair, char32_t value) { return pair.first < value; });
  if (found != kOtherLowercase.end() && found->first == code_point) return found->lower;
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code_point)));
}

size_t FirstGraphemeBytes(absl::string_view text) {
  Character before = CharacterAt(text, 0);
  utf8proc_int32_t state = 0;
  size_t end = before.num_bytes;
  while (end < text.size()) {
    const Character after = CharacterAt(text, end);
    if (Breaks(before.code_point, after.code_point, &state)) break;
    end += after.num_bytes;
    before = after;
  }
  return end;
}

}  // namespace pivot::tokenizer
