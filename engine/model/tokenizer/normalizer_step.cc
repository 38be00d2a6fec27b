// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/normalizer_step.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/character_category.h"
#include "engine/model/tokenizer/unicode.h"
#include "engine/model/tokenizer/utf8.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

/// Calls `edit_one(character, edit)` for each character; it takes as many bytes of the input as the character has.
template <typename EditOne>
NormalizedText EditCharacters(TextView input, EditOne edit_one) {
  TextEdit edit(input);
  for (size_t offset = 0; offset < input.text.size();) {
    const Character character = CharacterAt(input.text, offset);
    edit_one(character, &edit);
    offset += character.num_bytes;
  }
  return std::move(edit).Finish();
}

void EditLowercase(Character character, TextEdit* edit) {
  constexpr char32_t kDottedCapitalI = 0x130;
  if (character.code_point == kDottedCapitalI) return edit->Replace(character.num_bytes, "i\u0307");
  const char32_t lower = Lowercase(character.code_point);
  if (lower == character.code_point) return edit->Keep(character.num_bytes);
  std::string content;
  AppendUtf8(lower, &content);
  edit->Replace(character.num_bytes, content);
}

void EditCleanText(Character character, TextEdit* edit) {
  const char32_t c = character.code_point;
  if (c == 0 || c == 0xFFFD || IsBertControl(c)) return edit->Replace(character.num_bytes, "");
  if (IsWhiteSpace(c)) return edit->Replace(character.num_bytes, " ");
  edit->Keep(character.num_bytes);
}

void EditIdeograph(Character character, TextEdit* edit) {
  if (!IsBertIdeograph(character.code_point)) return edit->Keep(character.num_bytes);
  std::string content = " ";
  AppendUtf8(character.code_point, &content);
  edit->Replace(character.num_bytes, content + " ");
}

void EditMark(bool is_mark, Character character, TextEdit* edit) {
  if (is_mark) return edit->Replace(character.num_bytes, "");
  edit->Keep(character.num_bytes);
}

void EditNmt(Character character, TextEdit* edit) {
  const char32_t c = character.code_point;
  if ((c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F)
    return edit->Replace(character.num_bytes, "");
  if (c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) || c == 0x2028 ||
      c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD)
    return edit->Replace(character.num_bytes, " ");
  edit->Keep(character.num_bytes);
}

}  // namespace

absl::StatusOr<NormalizedText> UnicodeFormStep::Apply(TextView input, RegexScratch* /*scratch*/) const {
  NormalizedText result;
  PIVOT_ASSIGN_OR_RETURN(result.text, ToForm(form_, input.text));
  // What the front becomes alone and what it becomes here may differ by marks that join it, which are no places to cut.
  PIVOT_ASSIGN_OR_RETURN(const std::string front, ToForm(form_, input.text.substr(0, input.origin_bytes)));
  for (size_t i = CountCharacters(front); i > 0 && result.origin_bytes < result.text.size(); --i)
    result.origin_bytes += CharacterAt(result.text, result.origin_bytes).num_bytes;
  return result;
}

absl::StatusOr<NormalizedText> LowercaseStep::Apply(TextView input, RegexScratch* /*scratch*/) const {
  return EditCharacters(input, EditLowercase);
}

absl::StatusOr<NormalizedText> PrependStep::Apply(TextView input, RegexScratch* /*scratch*/) const {
  const size_t origin_bytes = input.origin_bytes == 0 ? 0 : prefix_.size() + input.origin_bytes;
  return NormalizedText{absl::StrCat(prefix_, input.text), origin_bytes};
}

absl::StatusOr<NormalizedText> ReplaceStep::Apply(TextView input, RegexScratch* scratch) const {
  TextEdit edit(input);
  PIVOT_RETURN_IF_ERROR(replacement_.ForEachPart(
      input.text, scratch, [&](absl::string_view rest) { edit.Keep(rest.size()); },
      [&](absl::string_view match) { edit.Replace(match.size(), replacement_.content()); }));
  return std::move(edit).Finish();
}

absl::StatusOr<NormalizedText> StripStep::Apply(TextView input, RegexScratch* /*scratch*/) const {
  const size_t size = input.text.size();
  const size_t left = sides_.left ? LeadingSpaceBytes(input.text) : 0;
  const size_t right = sides_.right ? TrailingSpaceBytes(input.text.substr(left)) : 0;
  TextEdit edit(input);
  edit.Replace(left, "");
  edit.Keep(size - left - right);
  return std::move(edit).Finish();
}

absl::StatusOr<NormalizedText> StripAccentsStep::Apply(TextView input, RegexScratch* /*scratch*/) const {
  return EditCharacters(input, [](Character character, TextEdit* edit) {
    EditMark(IsCombiningMark(character.code_point), character, edit);
  });
}

absl::StatusOr<NormalizedText> BertStep::Apply(TextView input, RegexScratch* /*scratch*/) const {
  switch (pass_) {
    case Pass::kCleanText:
      return EditCharacters(input, EditCleanText);
    case Pass::kSpaceIdeographs:
      return EditCharacters(input, EditIdeograph);
    case Pass::kStripMarks:
      break;
  }
  return EditCharacters(input, [](Character character, TextEdit* edit) {
    EditMark(IsNonspacingMark(character.code_point), character, edit);
  });
}

absl::StatusOr<NormalizedText> NmtStep::Apply(TextView input, RegexScratch* /*scratch*/) const {
  return EditCharacters(input, EditNmt);
}

absl::StatusOr<NormalizedText> CharsmapStep::Apply(TextView input, RegexScratch* /*scratch*/) const {
  // `tokenizers` looks for a rule for the front of a short cluster, and has it replace the whole cluster.
  constexpr size_t kShortCluster = 6;
  TextEdit edit(input);
  for (size_t offset = 0; offset < input.text.size();) {
    const size_t cluster_end = offset + FirstGraphemeBytes(input.text.substr(offset));
    const absl::string_view cluster = input.text.substr(offset, cluster_end - offset);
    const auto rule = cluster.size() < kShortCluster ? map_.FindShortest(cluster) : std::nullopt;
    if (rule.has_value()) {
      edit.Replace(cluster.size(), rule->content);
      offset = cluster_end;
    }
    while (offset < cluster_end) {
      const absl::string_view part = input.text.substr(offset, CharacterAt(input.text, offset).num_bytes);
      if (const auto part_rule = map_.FindShortest(part)) {
        edit.Replace(part.size(), part_rule->content);
      } else {
        edit.Keep(part.size());
      }
      offset += part.size();
    }
  }
  return std::move(edit).Finish();
}

}  // namespace pivot::tokenizer
