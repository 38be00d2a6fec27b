// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/unicode_form.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utf8proc.h>
#include <vector>

#include "absl/status/status.h"

#include "engine/model/tokenizer/character_category.h"
#include "engine/model/tokenizer/unicode.h"
#include "engine/model/tokenizer/utf8.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

/// utf8proc sorts marks by exchanging neighbours, which takes the square of their number. Longer runs are sorted
/// before, so that it finds nothing to do.
constexpr size_t kLongRun = 32;

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

utf8proc_option_t OptionsOf(UnicodeForm form) {
  const bool composes = form == UnicodeForm::kNfc || form == UnicodeForm::kNfkc;
  const bool is_compatible = form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd;
  int options = UTF8PROC_STABLE | (composes ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE);
  if (is_compatible) options |= UTF8PROC_COMPAT;
  return static_cast<utf8proc_option_t>(options);
}

/// 0 for what does not combine.
int CombiningClass(char32_t code_point) {
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(code_point))->combining_class;
}

/// Appends the characters, which combine all, in the order of their classes.
void AppendSorted(absl::string_view run, std::string* result) {
  std::vector<char32_t> marks;
  for (size_t offset = 0; offset < run.size(); offset += CharacterAt(run, offset).num_bytes)
    marks.push_back(CharacterAt(run, offset).code_point);
  std::stable_sort(marks.begin(), marks.end(),
                   [](char32_t a, char32_t b) { return CombiningClass(a) < CombiningClass(b); });
  for (const char32_t mark : marks) AppendUtf8(mark, result);
}

/// The text, with long runs of marks sorted.
std::string WithSortedRuns(absl::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t offset = 0; offset < text.size();) {
    size_t end = offset;
    size_t num_marks = 0;
    for (; end < text.size(); ++num_marks) {
      const Character character = CharacterAt(text, end);
      if (CombiningClass(character.code_point) == 0) break;
      end += character.num_bytes;
    }
    if (num_marks > kLongRun) {
      AppendSorted(text.substr(offset, end - offset), &result);
    } else {
      end = std::max(end, offset + CharacterAt(text, offset).num_bytes);
      result.append(text.data() + offset, end - offset);
    }
    offset = end;
  }
  return result;
}

absl::Status AppendForm(UnicodeForm form, absl::string_view text, std::string* result) {
  if (text.empty()) return absl::OkStatus();
  const std::string sorted = WithSortedRuns(text);
  utf8proc_uint8_t* buffer = nullptr;
  const utf8proc_ssize_t size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(sorted.data()),
                                             static_cast<utf8proc_ssize_t>(sorted.size()), &buffer, OptionsOf(form));
  const std::unique_ptr<utf8proc_uint8_t, Free> normalized(buffer);
  if (size < 0) return absl::ResourceExhaustedError("there is no memory to normalize the text");
  result->append(reinterpret_cast<const char*>(normalized.get()), static_cast<size_t>(size));
  return absl::OkStatus();
}

}  // namespace

bool IsPlainly(UnicodeForm form, absl::string_view text) {
  // The least first byte of a character that may change. Below U+0300 (CC) nothing combines, and all characters are
  // composed; below U+00C0 (C3) nothing has a canonical decomposition, and in ASCII nothing any.
  const int least = form == UnicodeForm::kNfc ? 0xCC : form == UnicodeForm::kNfd ? 0xC3 : 0x80;
  return std::all_of(text.begin(), text.end(), [least](char byte) { return static_cast<uint8_t>(byte) < least; });
}

absl::StatusOr<std::string> ToForm(UnicodeForm form, absl::string_view text) {
  const bool is_compatible = form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd;
  // A character that the older data do not know neither moves nor composes: what stands around it is normalized by
  // itself.
  std::string result;
  size_t span_begin = 0;
  for (size_t offset = 0; offset < text.size();) {
    const Character character = CharacterAt(text, offset);
    const char32_t code_point = character.code_point;
    if (IsInertForNfc(code_point) || (is_compatible && IsInertForCompatibility(code_point))) {
      PIVOT_RETURN_IF_ERROR(AppendForm(form, text.substr(span_begin, offset - span_begin), &result));
      result.append(text.data() + offset, character.num_bytes);
      span_begin = offset + character.num_bytes;
    }
    offset += character.num_bytes;
  }
  PIVOT_RETURN_IF_ERROR(AppendForm(form, text.substr(span_begin), &result));
  return result;
}

}  // namespace pivot::tokenizer
