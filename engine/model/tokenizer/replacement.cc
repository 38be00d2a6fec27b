// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/replacement.h"

#include <cstddef>

#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/component.h"
#include "engine/model/tokenizer/match_iterator.h"
#include "engine/model/tokenizer/oniguruma.h"
#include "engine/model/tokenizer/unicode.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {

using nlohmann::json;

absl::StatusOr<Replacement> Replacement::Create(const json& component, absl::string_view what) {
  PIVOT_ASSIGN_OR_RETURN(std::string content, ReadText(component, "content", what));
  Replacement replacement(std::move(content));
  const json* pattern = FindMember(component, "pattern");
  if (pattern == nullptr || !pattern->is_object() || pattern->size() != 1) {
    return Malformed(absl::StrCat(what, " must have a pattern that is a \"String\" or a \"Regex\""));
  }
  if (pattern->contains("String")) {
    PIVOT_ASSIGN_OR_RETURN(replacement.literal_, ReadText(*pattern, "String", what));
    if (replacement.literal_.empty()) return Unsupported(absl::StrCat(what, " with an empty pattern"));
    return replacement;
  }
  PIVOT_ASSIGN_OR_RETURN(const std::string text, ReadText(*pattern, "Regex", what));
  if (text.empty()) return Unsupported(absl::StrCat(what, " with an empty pattern"));
  PIVOT_ASSIGN_OR_RETURN(const std::string translation, TranslateOniguruma(text));
  PIVOT_ASSIGN_OR_RETURN(Regex regex, Regex::Compile(translation));
  replacement.regex_ = std::move(regex);
  return replacement;
}

absl::Status Replacement::ForEachPart(absl::string_view text, RegexScratch* scratch,
                                      absl::FunctionRef<void(absl::string_view)> on_rest,
                                      absl::FunctionRef<void(absl::string_view)> on_match) const {
  size_t done = 0;
  const auto on_range = [&](MatchRange range) {
    if (done < range.begin) on_rest(text.substr(done, range.begin - done));
    on_match(text.substr(range.begin, range.end - range.begin));
    done = range.end;
  };
  if (!regex_.has_value()) {
    for (size_t begin = text.find(literal_); begin != absl::string_view::npos; begin = text.find(literal_, done))
      on_range({begin, begin + literal_.size()});
  } else if (!text.empty()) {
    const std::string shadow = HasOtherShadow(text) ? ShadowOf(text) : std::string();
    MatchIterator matches(*regex_, shadow.empty() ? text : shadow, scratch);
    while (true) {
      PIVOT_ASSIGN_OR_RETURN(const std::optional<MatchRange> match, matches.Next());
      if (!match.has_value()) break;
      on_range(*match);
    }
  }
  if (done < text.size()) on_rest(text.substr(done));
  return absl::OkStatus();
}

}  // namespace pivot::tokenizer
