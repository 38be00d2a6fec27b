// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/character_class.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/unicode.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

class ClassTranslator {
 public:
  ClassTranslator(LetterCase letter_case, PatternReader* reader)
      : ignores_case_(letter_case == LetterCase::kIgnored), reader_(*reader) {}

  absl::StatusOr<std::string> Translate() {
    reader_.Take();
    result_ = "[";
    if (reader_.Consume("^")) {
      if (ignores_case_) return reader_.Refuse("a negated class where case is ignored");
      result_ = "[^";
    }
    if (reader_.Peek() == ']') return reader_.Refuse("\"]\" as the first member of a class");
    while (!reader_.Consume("]")) {
      if (reader_.AtEnd()) return reader_.Refuse("an unclosed class");
      PIVOT_RETURN_IF_ERROR(AddMember());
    }
    return std::move(result_) + "]";
  }

 private:
  absl::Status AddMember() {
    if (reader_.Starts("[")) return reader_.Refuse("a class in a class");
    if (reader_.Starts("&&")) return reader_.Refuse("an intersection of classes");
    if (reader_.Consume("\\w")) return AddSubclass(kWordMembers);
    if (reader_.Starts("-") && hyphen_is_ambiguous_ && !reader_.Starts("-]")) {
      return reader_.Refuse("a hyphen after a range or a class");
    }
    PIVOT_ASSIGN_OR_RETURN(const Escape first, TakeElement());
    if (!first.class_pattern.empty()) return AddSubclass(first.class_pattern);
    if (!reader_.Starts("-") || reader_.Starts("-]")) return AddRange(first.code_point, first.code_point);
    reader_.Take();
    if (reader_.Starts("[") || reader_.AtEnd()) return reader_.Refuse("a range without an end");
    PIVOT_ASSIGN_OR_RETURN(const Escape last, TakeElement());
    if (!last.class_pattern.empty() || last.code_point < first.code_point) return reader_.Refuse("that range");
    PIVOT_RETURN_IF_ERROR(AddRange(first.code_point, last.code_point));
    hyphen_is_ambiguous_ = true;
    return absl::OkStatus();
  }

  absl::StatusOr<Escape> TakeElement() {
    if (reader_.Starts("\\")) return reader_.TakeEscape();
    return Escape{reader_.TakeCharacter(), ""};
  }

  absl::Status AddSubclass(absl::string_view members) {
    if (ignores_case_) return reader_.Refuse("a class where case is ignored");
    absl::StrAppend(&result_, members);
    hyphen_is_ambiguous_ = true;
    return absl::OkStatus();
  }

  absl::Status AddRange(char32_t first, char32_t last) {
    if (!ShadowsAgreeOn(first, last)) return reader_.Refuse("a range with characters of Unicode 15 or 16");
    if (ignores_case_ && last >= 0x80) return reader_.Refuse("a letter outside ASCII where case is ignored");
    absl::StrAppend(&result_, LiteralPattern(first));
    if (first != last) absl::StrAppend(&result_, "-", LiteralPattern(last));
    hyphen_is_ambiguous_ = false;
    return absl::OkStatus();
  }

  bool ignores_case_;
  PatternReader& reader_;
  std::string result_;
  bool hyphen_is_ambiguous_ = false;
};

}  // namespace

absl::StatusOr<std::string> TranslateClass(LetterCase letter_case, PatternReader* reader) {
  return ClassTranslator(letter_case, reader).Translate();
}

}  // namespace pivot::tokenizer
