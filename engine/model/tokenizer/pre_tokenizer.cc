// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/pre_tokenizer.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/component.h"
#include "engine/model/tokenizer/oniguruma.h"
#include "engine/model/tokenizer/unicode.h"
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

absl::StatusOr<DelimiterBehavior> ReadBehavior(const json& component) {
  PIVOT_ASSIGN_OR_RETURN(const std::string name, ReadText(component, "behavior", "the pre_tokenizer \"Split\""));
  if (name == "Removed") return DelimiterBehavior::kRemoved;
  if (name == "Isolated") return DelimiterBehavior::kIsolated;
  if (name == "MergedWithPrevious") return DelimiterBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return DelimiterBehavior::kMergedWithNext;
  if (name == "Contiguous") return DelimiterBehavior::kContiguous;
  return Malformed(absl::StrCat("the pre_tokenizer \"Split\" has the unknown behavior ", Quoted(name)));
}

absl::StatusOr<Regex> CompileOniguruma(absl::string_view pattern) {
  PIVOT_ASSIGN_OR_RETURN(const std::string translation, TranslateOniguruma(pattern));
  return Regex::Compile(translation);
}

}  // namespace

absl::StatusOr<PreTokenizer> PreTokenizer::Create(const json* pre_tokenizer) {
  PreTokenizer result;
  if (pre_tokenizer != nullptr) PIVOT_RETURN_IF_ERROR(result.Add(*pre_tokenizer, 0));
  if (!result.has_byte_level_) return Unsupported("a pre_tokenizer without \"ByteLevel\"");
  return result;
}

absl::Status PreTokenizer::Add(const json& component, int depth) {
  PIVOT_ASSIGN_OR_RETURN(const std::string type, ReadType(component, "pre_tokenizer"));
  if (depth > kMaxNesting || steps_.size() > kMaxSteps) return Malformed("the pre_tokenizer has too many parts");
  if (type == "Sequence") return AddSequence(component, depth);
  if (has_byte_level_) return Unsupported("a pre_tokenizer after \"ByteLevel\"");
  if (type == "ByteLevel") return AddByteLevel(component);
  if (type == "Digits") return AddDigits(component);
  if (type == "Split") return AddSplit(component);
  return Unsupported(absl::StrCat("the pre_tokenizer ", Quoted(type)));
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

absl::Status PreTokenizer::AddDigits(const json& component) {
  PIVOT_ASSIGN_OR_RETURN(const bool individual,
                         ReadBoolean(component, "individual_digits", "the pre_tokenizer \"Digits\""));
  steps_.push_back(
      std::make_unique<DigitSplit>(individual ? DelimiterBehavior::kIsolated : DelimiterBehavior::kContiguous));
  return absl::OkStatus();
}

absl::Status PreTokenizer::AddSplit(const json& component) {
  constexpr absl::string_view kWhat = "the pre_tokenizer \"Split\"";
  PIVOT_ASSIGN_OR_RETURN(const DelimiterBehavior behavior, ReadBehavior(component));
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

absl::Status PreTokenizer::Split(absl::string_view text, RegexScratch* scratch,
                                 absl::FunctionRef<void(absl::string_view)> on_word) const {
  if (text.empty()) return absl::OkStatus();
  if (!HasOtherShadow(text)) return RunFrom(0, {text, text}, scratch, on_word);
  const std::string shadow = ShadowOf(text);
  return RunFrom(0, {text, shadow}, scratch, on_word);
}

absl::Status PreTokenizer::RunFrom(size_t step, const Piece& piece, RegexScratch* scratch,
                                   absl::FunctionRef<void(absl::string_view)> on_word) const {
  if (step == steps_.size()) {
    on_word(piece.text);
    return absl::OkStatus();
  }
  return steps_[step]->Split(piece, scratch,
                             [&](const Piece& part) { return RunFrom(step + 1, part, scratch, on_word); });
}

}  // namespace pivot::tokenizer
