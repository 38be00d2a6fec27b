// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/pre_tokenizer.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/character_category.h"
#include "engine/model/tokenizer/component.h"
#include "engine/model/tokenizer/metaspace.h"
#include "engine/model/tokenizer/oniguruma.h"
#include "engine/model/tokenizer/unicode.h"
#include "engine/model/tokenizer/utf8.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

using nlohmann::json;

constexpr int kMaxNesting = 8;
constexpr size_t kMaxSteps = 64;
/// The words of GPT-2: contractions, letters, numbers and the rest with the space before them, and spaces, of which the
/// last goes with the word that follows.
constexpr absl::string_view kByteLevelPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

absl::StatusOr<DelimiterBehavior> ReadBehavior(const json& component, absl::string_view what) {
  PIVOT_ASSIGN_OR_RETURN(const std::string name, ReadText(component, "behavior", what));
  if (name == "Removed") return DelimiterBehavior::kRemoved;
  if (name == "Isolated") return DelimiterBehavior::kIsolated;
  if (name == "MergedWithPrevious") return DelimiterBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return DelimiterBehavior::kMergedWithNext;
  if (name == "Contiguous") return DelimiterBehavior::kContiguous;
  return Malformed(absl::StrCat(what, " has the unknown behavior ", Quoted(name)));
}

absl::StatusOr<Regex> CompileOniguruma(absl::string_view pattern) {
  PIVOT_ASSIGN_OR_RETURN(const std::string translation, TranslateOniguruma(pattern));
  return Regex::Compile(translation);
}

}  // namespace

absl::StatusOr<PreTokenizer> PreTokenizer::Create(const json* pre_tokenizer) {
  PreTokenizer result;
  if (pre_tokenizer != nullptr) PIVOT_RETURN_IF_ERROR(result.Add(*pre_tokenizer, 0));
  return result;
}

absl::Status PreTokenizer::Add(const json& component, int depth) {
  PIVOT_ASSIGN_OR_RETURN(const std::string type, ReadType(component, "pre_tokenizer"));
  if (depth > kMaxNesting || steps_.size() > kMaxSteps) return Malformed("the pre_tokenizer has too many parts");
  if (type == "Sequence") return AddSequence(component, depth);
  if (has_byte_level_) return Unsupported("a pre_tokenizer after \"ByteLevel\"");
  if (type == "ByteLevel") return AddByteLevel(component);
  if (type == "Split") return AddSplit(component);
  if (type == "Metaspace") {
    PIVOT_ASSIGN_OR_RETURN(MetaspaceOptions options, ReadMetaspace(component));
    steps_.push_back(std::make_unique<MetaspaceStep>(std::move(options)));
    return absl::OkStatus();
  }
  return AddClasses(component, type);
}

absl::Status PreTokenizer::AddSequence(const json& component, int depth) {
  PIVOT_ASSIGN_OR_RETURN(const json* parts, ReadArray(component, "pretokenizers", "the pre_tokenizer \"Sequence\""));
  for (const json& part : *parts) PIVOT_RETURN_IF_ERROR(Add(part, depth + 1));
  return absl::OkStatus();
}

absl::Status PreTokenizer::AddByteLevel(const json& component) {
  constexpr absl::string_view kWhat = "the pre_tokenizer \"ByteLevel\"";
  PIVOT_ASSIGN_OR_RETURN(const bool add_prefix_space, ReadBoolean(component, "add_prefix_space", kWhat));
  bool use_regex = true;
  if (FindMember(component, "use_regex") != nullptr) {
    PIVOT_ASSIGN_OR_RETURN(use_regex, ReadBoolean(component, "use_regex", kWhat));
  }
  if (add_prefix_space) steps_.push_back(std::make_unique<PrefixSpace>());
  if (use_regex) {
    PIVOT_ASSIGN_OR_RETURN(Regex regex, CompileOniguruma(kByteLevelPattern));
    steps_.push_back(std::make_unique<PatternSplit>(std::move(regex), PatternSplit::Subject::kShadow,
                                                    DelimiterBehavior::kIsolated, DelimiterRole::kMatches));
  }
  has_byte_level_ = true;
  return absl::OkStatus();
}

absl::Status PreTokenizer::AddClasses(const json& component, absl::string_view type) {
  const std::string what = absl::StrCat("the pre_tokenizer ", Quoted(type));
  const auto add = [this](ClassSplit::Class is_delimiter, DelimiterBehavior behavior) {
    steps_.push_back(std::make_unique<ClassSplit>(is_delimiter, behavior));
  };
  if (type == "Digits") {
    PIVOT_ASSIGN_OR_RETURN(const bool individual, ReadBoolean(component, "individual_digits", what));
    add(IsNumeric, individual ? DelimiterBehavior::kIsolated : DelimiterBehavior::kContiguous);
  } else if (type == "Punctuation") {
    DelimiterBehavior behavior = DelimiterBehavior::kIsolated;  // when the file does not say
    if (FindMember(component, "behavior") != nullptr) {
      PIVOT_ASSIGN_OR_RETURN(behavior, ReadBehavior(component, what));
    }
    add(IsPunctuation, behavior);
  } else if (type == "WhitespaceSplit") {
    add(IsWhiteSpace, DelimiterBehavior::kRemoved);
  } else if (type == "BertPreTokenizer") {
    add(IsWhiteSpace, DelimiterBehavior::kRemoved);
    add(IsPunctuation, DelimiterBehavior::kIsolated);
  } else if (type == "Whitespace") {
    steps_.push_back(std::make_unique<WordSplit>());
  } else if (type == "CharDelimiterSplit") {
    PIVOT_ASSIGN_OR_RETURN(const std::string delimiter, ReadText(component, "delimiter", what));
    if (CountCharacters(delimiter) != 1) return Malformed(absl::StrCat(what, " must have one character as delimiter"));
    PIVOT_ASSIGN_OR_RETURN(Regex regex, Regex::CompileLiteral(delimiter));
    steps_.push_back(std::make_unique<PatternSplit>(std::move(regex), PatternSplit::Subject::kText,
                                                    DelimiterBehavior::kRemoved, DelimiterRole::kMatches));
  } else {
    return Unsupported(what);
  }
  return absl::OkStatus();
}

absl::Status PreTokenizer::AddSplit(const json& component) {
  constexpr absl::string_view kWhat = "the pre_tokenizer \"Split\"";
  PIVOT_ASSIGN_OR_RETURN(const DelimiterBehavior behavior, ReadBehavior(component, kWhat));
  PIVOT_ASSIGN_OR_RETURN(const bool invert, ReadBoolean(component, "invert", kWhat));
  const DelimiterRole role = invert ? DelimiterRole::kWhatIsBetween : DelimiterRole::kMatches;
  const json* pattern = FindMember(component, "pattern");
  if (pattern == nullptr || !pattern->is_object() || pattern->size() != 1) {
    return Malformed(absl::StrCat(kWhat, " must have a pattern that is a \"String\" or a \"Regex\""));
  }
  if (pattern->contains("String")) {
    PIVOT_ASSIGN_OR_RETURN(const std::string text, ReadText(*pattern, "String", kWhat));
    PIVOT_ASSIGN_OR_RETURN(Regex regex, Regex::CompileLiteral(text));
    steps_.push_back(std::make_unique<PatternSplit>(std::move(regex), PatternSplit::Subject::kText, behavior, role));
  } else {
    PIVOT_ASSIGN_OR_RETURN(const std::string text, ReadText(*pattern, "Regex", kWhat));
    PIVOT_ASSIGN_OR_RETURN(Regex regex, CompileOniguruma(text));
    steps_.push_back(std::make_unique<PatternSplit>(std::move(regex), PatternSplit::Subject::kShadow, behavior, role));
  }
  return absl::OkStatus();
}

absl::Status PreTokenizer::Split(TextView text, RegexScratch* scratch,
                                 absl::FunctionRef<absl::Status(absl::string_view)> on_word) const {
  if (text.text.empty()) return absl::OkStatus();
  if (!HasOtherShadow(text.text)) return RunFrom(0, {text.text, text.text, text.origin_bytes}, scratch, on_word);
  const std::string shadow = ShadowOf(text.text);
  return RunFrom(0, {text.text, shadow, text.origin_bytes}, scratch, on_word);
}

absl::Status PreTokenizer::RunFrom(size_t step, const Piece& piece, RegexScratch* scratch,
                                   absl::FunctionRef<absl::Status(absl::string_view)> on_word) const {
  if (step == steps_.size()) return on_word(piece.text);
  return steps_[step]->Split(piece, scratch,
                             [&](const Piece& part) { return RunFrom(step + 1, part, scratch, on_word); });
}

}  // namespace pivot::tokenizer
