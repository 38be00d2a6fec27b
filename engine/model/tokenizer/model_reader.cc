// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/model_reader.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/bpe.h"
#include "engine/model/tokenizer/character_bpe.h"
#include "engine/model/tokenizer/component.h"
#include "engine/model/tokenizer/unigram.h"
#include "engine/model/tokenizer/utf8.h"
#include "engine/model/tokenizer/word_piece.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

using nlohmann::json;
using ModelOr = absl::StatusOr<std::unique_ptr<const Model>>;

/// How much less than the worst piece's score a character costs that is none: sentencepiece's kUnkPenalty.
constexpr double kUnknownPenalty = 10.0;

/// The lists have been read already; null stands for each that had the right form.
absl::Status CheckList(const json& model, absl::string_view type, const char* name) {
  const auto found = model.find(name);
  if (found == model.end()) return Malformed(absl::StrCat("the ", type, " model has no \"", name, "\""));
  if (!found->is_null()) return Malformed(absl::StrCat("the ", type, " model's \"", name, "\" has another form"));
  return absl::OkStatus();
}

absl::Status CheckVocabulary(const TokenizerJson& content, absl::string_view type, TokenizerJson::VocabularyForm form) {
  PIVOT_RETURN_IF_ERROR(CheckList(content.document["model"], type, "vocab"));
  if (content.vocabulary_form != form) {
    return Malformed(absl::StrCat("the ", type, " model's \"vocab\" has another form"));
  }
  if (content.tokens.size() == 0) return Malformed(absl::StrCat("the ", type, " model's \"vocab\" is empty"));
  return absl::OkStatus();
}

absl::StatusOr<bool> ReadFlag(const json& model, absl::string_view name) {
  if (FindMember(model, name) == nullptr) return false;
  return ReadBoolean(model, name, "model");
}

absl::StatusOr<std::string> ReadOptionalText(const json& model, absl::string_view name) {
  if (FindMember(model, name) == nullptr) return std::string();
  return ReadText(model, name, "model");
}

std::vector<std::pair<absl::string_view, int32_t>> AllTokens(const TokenizerJson& content) {
  std::vector<std::pair<absl::string_view, int32_t>> tokens;
  tokens.reserve(content.tokens.size());
  for (size_t i = 0; i < content.tokens.size(); ++i) tokens.emplace_back(content.tokens[i], content.token_ids[i]);
  return tokens;
}

struct Merges {
  MergeTable table;
  CharacterPairs seams;
};

/// `prefix` is taken off the right half.
absl::StatusOr<Merges> ReadMerges(const TextList& merges, const Vocabulary& vocabulary, absl::string_view prefix) {
  Merges result;
  result.table.Reserve(merges.size() / 2);
  for (size_t i = 0; i + 1 < merges.size(); i += 2) {
    const absl::string_view left_text = merges[i];
    const absl::string_view right_text = merges[i + 1];
    const absl::string_view right_rest = right_text.substr(std::min(prefix.size(), right_text.size()));
    const std::optional<int32_t> left = vocabulary.Find(left_text);
    const std::optional<int32_t> right = vocabulary.Find(right_text);
    const std::optional<int32_t> merged = vocabulary.Find(absl::StrCat(left_text, right_rest));
    if (!left || !right || !merged || !absl::StartsWith(right_text, prefix)) {
      return Malformed(absl::StrCat("model.merges: ", Quoted(left_text), ", ", Quoted(right_text),
                                    " or both together are not in the vocabulary"));
    }
    result.table.Add(*left, *right, static_cast<uint32_t>(i / 2), *merged);
    if (left_text.empty() || right_text.empty()) return Malformed("model.merges: one half of a merge is empty");
    result.seams.Add(LastCharacter(left_text).code_point, CharacterAt(right_text, 0).code_point);
  }
  return result;
}

absl::StatusOr<CharacterBpe::Options> ReadBpeOptions(const json& model) {
  const json* dropout = FindMember(model, "dropout");
  if (dropout != nullptr && *dropout != 0) return Unsupported("the BPE model's \"dropout\"");
  CharacterBpe::Options options;
  PIVOT_ASSIGN_OR_RETURN(options.spells_unknown, ReadFlag(model, "byte_fallback"));
  PIVOT_ASSIGN_OR_RETURN(options.fuses_unknown, ReadFlag(model, "fuse_unk"));
  PIVOT_ASSIGN_OR_RETURN(options.whole_words_first, ReadFlag(model, "ignore_merges"));
  PIVOT_ASSIGN_OR_RETURN(options.continuing_prefix, ReadOptionalText(model, "continuing_subword_prefix"));
  PIVOT_ASSIGN_OR_RETURN(options.end_suffix, ReadOptionalText(model, "end_of_word_suffix"));
  return options;
}

ModelOr ReadBpe(const TokenizerJson& content, const Vocabulary& vocabulary, Model::WordForm words) {
  const json& model = content.document["model"];
  PIVOT_RETURN_IF_ERROR(CheckVocabulary(content, "BPE", TokenizerJson::VocabularyForm::kIds));
  PIVOT_RETURN_IF_ERROR(CheckList(model, "BPE", "merges"));
  PIVOT_ASSIGN_OR_RETURN(CharacterBpe::Options options, ReadBpeOptions(model));
  PIVOT_ASSIGN_OR_RETURN(Merges merges, ReadMerges(content.merges, vocabulary, options.continuing_prefix));
  const auto byte_ids = ByteAlphabetIds(vocabulary);
  const bool knows_all_bytes = std::find(byte_ids.begin(), byte_ids.end(), -1) == byte_ids.end();
  const json* unknown = FindMember(model, "unk_token");
  const bool is_plain = options.continuing_prefix.empty() && options.end_suffix.empty();
  // An unknown token and byte tokens have no use where every byte is known.
  if (words == Model::WordForm::kBytes && is_plain &&
      (knows_all_bytes || (unknown == nullptr && !options.spells_unknown))) {
    return std::make_unique<const Bpe>(vocabulary, std::move(merges.table),
                                       options.whole_words_first ? Bpe::WholeWords::kFirst : Bpe::WholeWords::kMerged);
  }
  if (unknown != nullptr) {
    PIVOT_ASSIGN_OR_RETURN(const std::string text, ReadText(model, "unk_token", "model"));
    options.unknown_id = vocabulary.Find(text);
    if (!options.unknown_id.has_value())
      return Malformed(absl::StrCat("the BPE model's \"unk_token\" ", Quoted(text), " is not in the vocabulary"));
  }
  return std::make_unique<const CharacterBpe>(vocabulary, std::move(merges.table), std::move(merges.seams),
                                              PrefixTree(), std::move(options));
}

ModelOr ReadUnigram(const TokenizerJson& content, const Vocabulary& vocabulary) {
  const json& model = content.document["model"];
  PIVOT_RETURN_IF_ERROR(CheckVocabulary(content, "Unigram", TokenizerJson::VocabularyForm::kScores));
  Unigram::Options options;
  if (const json* unknown = FindMember(model, "unk_id")) {
    PIVOT_ASSIGN_OR_RETURN(options.unknown_id, ReadTokenId(*unknown, "the Unigram model's \"unk_id\""));
    if (*options.unknown_id >= vocabulary.size()) {
      return Malformed(absl::StrCat("the Unigram model's \"unk_id\" is ", *options.unknown_id, " of a vocabulary of ",
                                    vocabulary.size()));
    }
  }
  PIVOT_ASSIGN_OR_RETURN(options.spells_unknown, ReadFlag(model, "byte_fallback"));
  options.unknown_score = *std::min_element(content.scores.begin(), content.scores.end()) - kUnknownPenalty;
  return std::make_unique<const Unigram>(vocabulary, PrefixTree(AllTokens(content)), content.scores, options);
}

ModelOr ReadWordPiece(const TokenizerJson& content, const Vocabulary& vocabulary) {
  const json& model = content.document["model"];
  PIVOT_RETURN_IF_ERROR(CheckVocabulary(content, "WordPiece", TokenizerJson::VocabularyForm::kIds));
  WordPiece::Options options;
  PIVOT_ASSIGN_OR_RETURN(const std::string unknown, ReadText(model, "unk_token", "the WordPiece model"));
  PIVOT_ASSIGN_OR_RETURN(options.continuing_prefix,
                         ReadText(model, "continuing_subword_prefix", "the WordPiece model"));
  const json* longest = FindMember(model, "max_input_chars_per_word");
  if (longest == nullptr || !longest->is_number_integer() || *longest < 0) {
    return Malformed("the WordPiece model must have \"max_input_chars_per_word\", which is a number of characters");
  }
  options.max_characters = longest->get<size_t>();
  const std::optional<int32_t> unknown_id = vocabulary.Find(unknown);
  if (!unknown_id.has_value())
    return Malformed(
        absl::StrCat("the WordPiece model's \"unk_token\" ", Quoted(unknown), " is not in the vocabulary"));
  options.unknown_id = *unknown_id;
  return std::make_unique<const WordPiece>(PrefixTree(AllTokens(content)), options);
}

}  // namespace

ModelOr ReadModel(const TokenizerJson& content, const Vocabulary& vocabulary, Model::WordForm words) {
  const json& model = content.document["model"];
  std::string type = "BPE";  // old files leave it out
  if (FindMember(model, "type") != nullptr) {
    PIVOT_ASSIGN_OR_RETURN(type, ReadType(model, "model"));
  }
  if (type == "BPE") return ReadBpe(content, vocabulary, words);
  if (type == "Unigram") return ReadUnigram(content, vocabulary);
  if (type == "WordPiece") return ReadWordPiece(content, vocabulary);
  return Unsupported(absl::StrCat("the model ", Quoted(type)));
}

}  // namespace pivot::tokenizer
