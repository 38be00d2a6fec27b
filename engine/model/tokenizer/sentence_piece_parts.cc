// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/sentence_piece_parts.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/character_bpe.h"
#include "engine/model/tokenizer/component.h"
#include "engine/model/tokenizer/sentence_piece_step.h"
#include "engine/model/tokenizer/unigram.h"
#include "engine/model/tokenizer/utf8.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

using nlohmann::json;
using PieceType = SentencePieceModel::PieceType;
using ModelOr = absl::StatusOr<std::unique_ptr<const Model>>;

/// kUnkPenalty of unigram_model.cc.
constexpr float kUnknownPenalty = 10.0F;

absl::Status UnsupportedModel(absl::string_view what) {
  return WithReason(absl::FailedPreconditionError(absl::StrCat("tokenizer.model: ", what, " are not supported")),
                    "UNSUPPORTED_TOKENIZER");
}

PrefixTree TreeOf(const SentencePieceModel& model, std::initializer_list<PieceType> types) {
  std::vector<std::pair<absl::string_view, int32_t>> texts;
  for (size_t id = 0; id < model.types.size(); ++id) {
    if (std::find(types.begin(), types.end(), model.types[id]) != types.end())
      texts.emplace_back(model.pieces[id], static_cast<int32_t>(id));
  }
  return PrefixTree(std::move(texts));
}

/// Ranks by falling score; pieces of equal scores share one, so that the leftmost is made first.
std::vector<uint32_t> RanksOf(const std::vector<float>& scores) {
  std::vector<float> falling = scores;
  std::sort(falling.begin(), falling.end(), std::greater<>());
  falling.erase(std::unique(falling.begin(), falling.end()), falling.end());
  std::vector<uint32_t> ranks;
  for (const float score : scores) {
    const auto place = std::lower_bound(falling.begin(), falling.end(), score, std::greater<>());
    ranks.push_back(static_cast<uint32_t>(place - falling.begin()));
  }
  return ranks;
}

struct Merges {
  MergeTable table;
  CharacterPairs joined;
};

/// Every way to make a piece of two. SentencePiece asks whether both together are a piece; what it asks about are
/// characters and pieces.
absl::StatusOr<Merges> MergesOf(const SentencePieceModel& model, const Vocabulary& vocabulary) {
  const std::vector<uint32_t> ranks = RanksOf(model.scores);
  const auto find = [&](absl::string_view text) -> std::optional<int32_t> {
    const std::optional<int32_t> id = vocabulary.Find(text);
    if (!id.has_value() || model.types[static_cast<size_t>(*id)] != PieceType::kNormal) return std::nullopt;
    return id;
  };
  Merges merges;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const absl::string_view piece = model.pieces[id];
    const bool is_fixed = model.types[id] == PieceType::kUserDefined;
    if (!is_fixed && model.types[id] != PieceType::kNormal) continue;
    for (size_t cut = CharacterAt(piece, 0).num_bytes, last = 0; cut < piece.size();) {
      const Character next = CharacterAt(piece, cut);
      merges.joined.Add(CharacterAt(piece, last).code_point, next.code_point);
      const auto left = find(piece.substr(0, cut));
      const auto right = find(piece.substr(cut));
      if (!is_fixed && left.has_value() && right.has_value())
        merges.table.Add(*left, *right, ranks[id], static_cast<int32_t>(id));
      const bool is_known = vocabulary.Find(piece.substr(cut, next.num_bytes)).has_value() &&
                            vocabulary.Find(piece.substr(last, cut - last)).has_value();
      if (!is_fixed && !is_known) return UnsupportedModel("pieces of BPE with characters that are no pieces");
      last = cut;
      cut += next.num_bytes;
    }
  }
  return merges;
}

ModelOr MakeBpe(const SentencePieceModel& model, const Vocabulary& vocabulary) {
  if (std::find(model.types.begin(), model.types.end(), PieceType::kUnused) != model.types.end())
    return UnsupportedModel("unused pieces of BPE");
  PIVOT_ASSIGN_OR_RETURN(Merges merges, MergesOf(model, vocabulary));
  CharacterBpe::Options options;
  options.spells_unknown = model.spells_unknown;
  options.fuses_unknown = true;
  options.unknown_id = model.unknown_id;
  return std::make_unique<const CharacterBpe>(vocabulary, std::move(merges.table), std::move(merges.joined),
                                              TreeOf(model, {PieceType::kUserDefined}), std::move(options));
}

ModelOr MakeUnigram(const SentencePieceModel& model, const Vocabulary& vocabulary) {
  // As there: the largest score begins at the smallest positive number, which negative scores never exceed.
  float least = std::numeric_limits<float>::max();
  float most = std::numeric_limits<float>::min();
  for (size_t id = 0; id < model.types.size(); ++id) {
    if (model.types[id] != PieceType::kNormal) continue;
    least = std::min(least, model.scores[id]);
    most = std::max(most, model.scores[id]);
  }
  std::vector<double> scores(model.scores.begin(), model.scores.end());
  for (size_t id = 0; id < scores.size(); ++id) {
    // A bonus that has it taken nearly always.
    const auto num_bytes = static_cast<float>(model.pieces[id].size());
    if (model.types[id] == PieceType::kUserDefined) scores[id] = static_cast<double>(num_bytes * most) - 0.1;
  }
  Unigram::Options options;
  options.dialect = Unigram::Dialect::kSentencePiece;
  options.unknown_id = model.unknown_id;
  options.unknown_score = static_cast<double>(least - kUnknownPenalty);
  options.spells_unknown = model.spells_unknown;
  return std::make_unique<const Unigram>(vocabulary, TreeOf(model, {PieceType::kNormal, PieceType::kUserDefined}),
                                         std::move(scores), options);
}

ModelOr MakeModel(const SentencePieceModel& model, const Vocabulary& vocabulary) {
  switch (model.kind) {
    case SentencePieceModel::Kind::kUnigram:
      return MakeUnigram(model, vocabulary);
    case SentencePieceModel::Kind::kBpe:
      return MakeBpe(model, vocabulary);
    case SentencePieceModel::Kind::kWord:
    case SentencePieceModel::Kind::kCharacter:
      break;
  }
  return UnsupportedModel("models of words and of characters");
}

absl::StatusOr<Normalizer> MakeNormalizer(const SentencePieceModel& model) {
  SentencePieceStep::Options options;
  if (!model.charsmap.empty()) {
    absl::StatusOr<Charsmap> charsmap = Charsmap::Parse(model.charsmap);
    if (!charsmap.ok()) return MalformedModel("its precompiled_charsmap is wrong");
    options.charsmap = *std::move(charsmap);
  }
  options.fixed = TreeOf(model, {PieceType::kUserDefined});
  options.adds_dummy_prefix = model.adds_dummy_prefix;
  options.removes_extra_spaces = model.removes_extra_spaces;
  options.escapes_spaces = model.escapes_spaces;
  options.space_is_suffix = model.space_is_suffix;
  return Normalizer(std::make_unique<const SentencePieceStep>(std::move(options)));
}

absl::StatusOr<AddedTokens> MakeAddedTokens(const SentencePieceModel& model, const Vocabulary& vocabulary) {
  json list = json::array();
  for (size_t id = 0; id < model.types.size(); ++id) {
    if (model.types[id] != PieceType::kControl && model.types[id] != PieceType::kUnknown) continue;
    list.push_back({{"id", id},
                    {"content", std::string(model.pieces[id])},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", true}});
  }
  return AddedTokens::Create(&list, vocabulary, Normalizer());
}

absl::StatusOr<Decoder> MakeDecoder(const SentencePieceModel& model) {
  json steps = {{{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}},
                {{"type", "ByteFallback"}},
                {{"type", "Fuse"}}};
  const int at_front = model.adds_dummy_prefix && !model.space_is_suffix ? 1 : 0;
  const int at_back = model.adds_dummy_prefix && model.space_is_suffix ? 1 : 0;
  steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", at_front}, {"stop", at_back}});
  const json decoder = {{"type", "Sequence"}, {"decoders", steps}};
  return Decoder::Create(&decoder);
}

absl::StatusOr<std::unique_ptr<const Vocabulary>> MakeVocabulary(const SentencePieceModel& model) {
  std::vector<int32_t> ids(model.pieces.size());
  std::iota(ids.begin(), ids.end(), 0);
  absl::StatusOr<Vocabulary> vocabulary = Vocabulary::Create(model.pieces, ids);
  if (!vocabulary.ok()) return MalformedModel("two of its pieces are equal");
  if (model.spells_unknown) {
    const ByteTokens byte_tokens(*vocabulary);
    for (int byte = 0; byte < 256; ++byte) {
      if (!byte_tokens.Knows(std::string(1, static_cast<char>(byte))))
        return MalformedModel(absl::StrCat("byte ", byte, " has no piece"));
    }
  }
  return std::make_unique<const Vocabulary>(*std::move(vocabulary));
}

}  // namespace

absl::StatusOr<std::unique_ptr<const TokenizerParts>> MakeSentencePieceParts(const SentencePieceModel& model,
                                                                             std::vector<int32_t> before,
                                                                             std::vector<int32_t> after) {
  PIVOT_ASSIGN_OR_RETURN(auto vocabulary, MakeVocabulary(model));
  PIVOT_ASSIGN_OR_RETURN(auto pieces, MakeModel(model, *vocabulary));
  PIVOT_ASSIGN_OR_RETURN(auto normalizer, MakeNormalizer(model));
  PIVOT_ASSIGN_OR_RETURN(auto added_tokens, MakeAddedTokens(model, *vocabulary));
  PIVOT_ASSIGN_OR_RETURN(auto decoder, MakeDecoder(model));
  return std::unique_ptr<const TokenizerParts>(new TokenizerParts{std::move(vocabulary),
                                                                  std::move(pieces),
                                                                  std::move(normalizer),
                                                                  std::move(added_tokens),
                                                                  PreTokenizer(),
                                                                  PostProcessor(std::move(before), std::move(after)),
                                                                  std::move(decoder),
                                                                  {}});
}

}  // namespace pivot::tokenizer
