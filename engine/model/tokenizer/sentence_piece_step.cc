// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/sentence_piece_step.h"

#include "absl/strings/match.h"
#include "absl/strings/strip.h"

#include "engine/model/tokenizer/utf8.h"

namespace pivot::tokenizer {
namespace {

constexpr absl::string_view kSpaceMark = "\u2581";

}  // namespace

Charsmap::Rule SentencePieceStep::FrontOf(absl::string_view text) const {
  if (const auto fixed = options_.fixed.LongestAtFront(text))
    return {fixed->num_bytes, text.substr(0, fixed->num_bytes)};
  if (options_.charsmap.has_value()) {
    if (const auto rule = options_.charsmap->FindLongest(text)) return *rule;
  }
  const size_t num_bytes = CharacterAt(text, 0).num_bytes;
  return {num_bytes, text.substr(0, num_bytes)};
}

absl::string_view SentencePieceStep::WithoutLeadingSpaces(absl::string_view text) const {
  while (!text.empty()) {
    const Charsmap::Rule front = FrontOf(text);
    if (front.content != " ") break;
    text.remove_prefix(front.num_bytes);
  }
  return text;
}

void SentencePieceStep::Append(absl::string_view text, std::string* result) const {
  for (const char byte : text) {
    if (byte == ' ' && options_.escapes_spaces) {
      result->append(kSpaceMark.data(), kSpaceMark.size());
    } else {
      result->push_back(byte);
    }
  }
}

absl::StatusOr<NormalizedText> SentencePieceStep::Apply(TextView input, RegexScratch* /*scratch*/) const {
  NormalizedText result;
  std::string& text = result.text;
  absl::string_view rest = options_.removes_extra_spaces ? WithoutLeadingSpaces(input.text) : input.text;
  if (rest.empty()) return result;
  const bool adds_space = options_.adds_dummy_prefix && input.origin_bytes > 0;
  text.reserve(input.text.size() + input.text.size() / 2);
  if (adds_space && !options_.space_is_suffix) Append(" ", &text);
  bool skips_spaces = options_.removes_extra_spaces;
  while (!rest.empty()) {
    const Charsmap::Rule front = FrontOf(rest);
    absl::string_view content = front.content;
    while (skips_spaces && absl::ConsumePrefix(&content, " ")) {
    }
    if (!content.empty()) {
      Append(content, &text);
      skips_spaces = options_.removes_extra_spaces && absl::EndsWith(content, " ");
    }
    rest.remove_prefix(front.num_bytes);
  }
  if (options_.removes_extra_spaces) {
    absl::string_view kept = text;
    while (absl::ConsumeSuffix(&kept, options_.escapes_spaces ? kSpaceMark : " ")) {
    }
    text.resize(kept.size());
  }
  if (adds_space && options_.space_is_suffix) Append(" ", &text);
  return result;
}

}  // namespace pivot::tokenizer
