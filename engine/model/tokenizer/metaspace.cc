// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/metaspace.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "engine/model/tokenizer/component.h"
#include "engine/model/tokenizer/utf8.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

using nlohmann::json;
using Prepend = MetaspaceOptions::Prepend;

constexpr absl::string_view kWhat = "\"Metaspace\"";

absl::StatusOr<Prepend> ReadPrepend(const json& component) {
  Prepend prepend = Prepend::kAlways;
  if (FindMember(component, "prepend_scheme") != nullptr) {
    PIVOT_ASSIGN_OR_RETURN(const std::string scheme, ReadText(component, "prepend_scheme", kWhat));
    if (scheme == "first") {
      prepend = Prepend::kFirst;
    } else if (scheme == "never") {
      prepend = Prepend::kNever;
    } else if (scheme != "always") {
      return Malformed(absl::StrCat(kWhat, " has the unknown prepend_scheme ", Quoted(scheme)));
    }
  }
  if (FindMember(component, "add_prefix_space") == nullptr) return prepend;
  PIVOT_ASSIGN_OR_RETURN(const bool adds_prefix, ReadBoolean(component, "add_prefix_space", kWhat));
  if (adds_prefix || prepend == Prepend::kNever) return prepend;
  // Files from before there were schemes have only the flag.
  if (FindMember(component, "prepend_scheme") == nullptr) return Prepend::kNever;
  return Malformed(absl::StrCat(kWhat, " contradicts itself: \"add_prefix_space\" and \"prepend_scheme\""));
}

}  // namespace

absl::StatusOr<MetaspaceOptions> ReadMetaspace(const json& component) {
  MetaspaceOptions options;
  PIVOT_ASSIGN_OR_RETURN(options.replacement, ReadText(component, "replacement", kWhat));
  if (CountCharacters(options.replacement) != 1)
    return Malformed(absl::StrCat(kWhat, " has a replacement that is not one character"));
  PIVOT_ASSIGN_OR_RETURN(options.prepend, ReadPrepend(component));
  if (FindMember(component, "split") != nullptr) {
    PIVOT_ASSIGN_OR_RETURN(const bool splits, ReadBoolean(component, "split", kWhat));
    options.words = splits ? MetaspaceOptions::Words::kSplit : MetaspaceOptions::Words::kWhole;
  }
  return options;
}

absl::Status MetaspaceStep::Split(const Piece& piece, RegexScratch* /*scratch*/, PieceSink sink) const {
  const std::string& mark = options_.replacement;
  const bool may_prepend =
      options_.prepend == Prepend::kAlways || (options_.prepend == Prepend::kFirst && piece.origin_bytes > 0);
  const bool prepends = may_prepend && piece.text[0] != ' ' && !absl::StartsWith(piece.text, mark);
  if (!prepends && !absl::StrContains(piece.text, ' ')) return SplitWords(piece, sink);
  const auto marked = [&](absl::string_view text) {
    return absl::StrCat(prepends ? mark : "", absl::StrReplaceAll(text, {{" ", mark}}));
  };
  const std::string text = marked(piece.text);
  const size_t origin_bytes = piece.origin_bytes == 0 ? 0 : marked(piece.text.substr(0, piece.origin_bytes)).size();
  if (piece.text.data() == piece.shadow.data()) return SplitWords({text, text, origin_bytes}, sink);
  const std::string shadow = marked(piece.shadow);
  return SplitWords({text, shadow, origin_bytes}, sink);
}

absl::Status MetaspaceStep::SplitWords(const Piece& piece, PieceSink sink) const {
  if (options_.words == MetaspaceOptions::Words::kWhole) return sink(piece);
  const std::string& mark = options_.replacement;
  for (size_t begin = 0; begin < piece.text.size();) {
    const size_t next = std::min(piece.text.find(mark, begin + 1), piece.text.size());
    PIVOT_RETURN_IF_ERROR(sink(piece.Sub(begin, next)));
    begin = next;
  }
  return absl::OkStatus();
}

}  // namespace pivot::tokenizer
