// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/oniguruma.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/character_class.h"
#include "engine/model/tokenizer/pattern_reader.h"
#include "engine/model/tokenizer/unicode.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

constexpr size_t kMaxDepth = 100;

struct GroupPrefix {
  absl::string_view text;
  absl::string_view translation;
  bool repeatable;
};

/// Longest first where one begins another. Groups need not be captured, as nothing refers back to them.
constexpr GroupPrefix kGroupPrefixes[] = {{"(?:", "(?:", true},    {"(?i:", "(?i:", true}, {"(?>", "(?>", true},
                                          {"(?=", "(?=", false},   {"(?!", "(?!", false},  {"(?<=", "(?<=", false},
                                          {"(?<!", "(?<!", false}, {"(?", "", false},      {"(", "(?:", true}};

/// Letters that together are the case folding of one character: "ss" of "ß", "fi" of a ligature. Oniguruma lets them
/// match it.
bool FoldsTogether(char32_t first, char32_t second) {
  constexpr absl::string_view kPairs[] = {"ss", "st", "ff", "fi", "fl"};
  if (first >= 0x80 || second >= 0x80) return false;
  const char pair[] = {absl::ascii_tolower(static_cast<unsigned char>(first)),
                       absl::ascii_tolower(static_cast<unsigned char>(second))};
  return std::find(std::begin(kPairs), std::end(kPairs), absl::string_view(pair, 2)) != std::end(kPairs);
}

class Translator {
 public:
  explicit Translator(absl::string_view pattern) : reader_(pattern) {}

  absl::StatusOr<std::string> Translate() {
    while (!reader_.AtEnd()) PIVOT_RETURN_IF_ERROR(TranslateNext());
    if (!groups_.empty()) return reader_.Refuse("an unclosed group");
    return std::move(result_);
  }

 private:
  struct Group {
    size_t begin;  // in result_
    bool repeatable;
    bool ignores_case_outside;
  };

  absl::Status TranslateNext() {
    switch (reader_.Peek()) {
      case '(':
        return OpenGroup();
      case ')':
        return CloseGroup();
      case '[':
        return AddClass();
      case '\\':
        return AddEscape();
      case '*':
      case '+':
      case '?':
        return AddRepetition(std::string(1, reader_.Take()));
      case '{':
        return AddInterval();
      case '|':
        return AddUnrepeatable("|");
      case '^':  // both match at every line
        return AddUnrepeatable("(?m:^)");
      case '$':
        return AddUnrepeatable("(?m:$)");
      case '.':
        reader_.Take();
        return AddAtom(".");
      default:
        return AddLiteral(reader_.TakeCharacter());
    }
  }

  absl::Status AddUnrepeatable(absl::string_view translation) {
    reader_.Take();
    absl::StrAppend(&result_, translation);
    last_atom_ = std::nullopt;
    last_literal_ = 0;
    return absl::OkStatus();
  }

  absl::Status AddAtom(absl::string_view translation) {
    last_atom_ = result_.size();
    last_literal_ = 0;
    absl::StrAppend(&result_, translation);
    return absl::OkStatus();
  }

  absl::Status AddLiteral(char32_t code_point) {
    if (!ShadowsAgreeOn(code_point, code_point)) return reader_.Refuse("a character of Unicode 15 or 16");
    if (ignores_case_) {
      if (code_point >= 0x80) return reader_.Refuse("a letter outside ASCII where case is ignored");
      if (FoldsTogether(last_literal_, code_point)) return reader_.Refuse("\"ss\" or the like where case is ignored");
    }
    PIVOT_RETURN_IF_ERROR(AddAtom(LiteralPattern(code_point)));
    last_literal_ = code_point;
    return absl::OkStatus();
  }

  absl::Status OpenGroup() {
    if (groups_.size() == kMaxDepth) return reader_.Refuse("so many groups in each other");
    for (const GroupPrefix& prefix : kGroupPrefixes) {
      if (!reader_.Consume(prefix.text)) continue;
      if (prefix.translation.empty()) return reader_.Refuse("that kind of group");
      groups_.push_back({result_.size(), prefix.repeatable, ignores_case_});
      ignores_case_ |= prefix.text == "(?i:";
      absl::StrAppend(&result_, prefix.translation);
      break;
    }
    last_atom_ = std::nullopt;
    last_literal_ = 0;
    return absl::OkStatus();
  }

  absl::Status CloseGroup() {
    if (groups_.empty()) return reader_.Refuse("an unopened group");
    const Group group = groups_.back();
    groups_.pop_back();
    PIVOT_RETURN_IF_ERROR(AddUnrepeatable(")"));
    ignores_case_ = group.ignores_case_outside;
    if (group.repeatable) last_atom_ = group.begin;
    return absl::OkStatus();
  }

  absl::Status AddClass() {
    PIVOT_ASSIGN_OR_RETURN(const std::string translation,
                           TranslateClass(ignores_case_ ? LetterCase::kIgnored : LetterCase::kSensitive, &reader_));
    return AddAtom(translation);
  }

  absl::Status AddEscape() {
    if (reader_.Consume("\\w")) return AddAtom(absl::StrCat("[", kWordMembers, kMoreWordMembers, "]"));
    if (reader_.Consume("\\W")) return AddAtom(absl::StrCat("[^", kWordMembers, kMoreWordMembers, "]"));
    if (reader_.Starts("\\A") || reader_.Starts("\\z")) {
      reader_.Take();
      return AddUnrepeatable(reader_.Peek() == 'A' ? "\\A" : "\\z");
    }
    PIVOT_ASSIGN_OR_RETURN(const Escape escape, reader_.TakeEscape());
    if (escape.class_pattern.empty()) return AddLiteral(escape.code_point);
    if (ignores_case_) return reader_.Refuse("a class where case is ignored");
    return AddAtom(escape.class_pattern);
  }

  /// `repetition` has been read; what may follow it is whether it is lazy or possessive.
  absl::Status AddRepetition(std::string repetition) {
    if (!last_atom_.has_value()) return reader_.Refuse("a repetition of nothing or of another repetition");
    if (reader_.Peek() == '?' || reader_.Peek() == '+') repetition += reader_.Take();
    absl::StrAppend(&result_, repetition);
    last_atom_ = std::nullopt;
    last_literal_ = 0;
    return absl::OkStatus();
  }

  absl::Status AddInterval() {
    PIVOT_ASSIGN_OR_RETURN(const std::optional<Interval> interval, reader_.TakeInterval());
    if (!interval.has_value()) return AddLiteral(reader_.TakeCharacter());
    if (ignores_case_) return reader_.Refuse("a counted repetition where case is ignored");
    if (!last_atom_.has_value()) return reader_.Refuse("a repetition of nothing or of another repetition");
    if (reader_.Peek() == '?' && interval->is_exact) return reader_.Refuse("a lazy repetition of one length");
    if (!reader_.Consume("+")) return AddRepetition(interval->text);
    // Not possessive there, but the whole repeated once more.
    result_.insert(*last_atom_, "(?:");
    absl::StrAppend(&result_, interval->text, ")");
    if (reader_.Peek() == '?' || reader_.Peek() == '+') return reader_.Refuse("a repetition of another repetition");
    return AddRepetition("+");
  }

  PatternReader reader_;
  std::string result_;
  std::vector<Group> groups_;
  std::optional<size_t> last_atom_;  // where in result_ that which a repetition repeats begins
  char32_t last_literal_ = 0;        // if it stands right before; else 0
  bool ignores_case_ = false;
};

}  // namespace

absl::StatusOr<std::string> TranslateOniguruma(absl::string_view pattern) { return Translator(pattern).Translate(); }

}  // namespace pivot::tokenizer
