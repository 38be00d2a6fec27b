// SPDX-License-Identifier: Apache-2.0
#include "engine/model/gguf/gguf_pieces.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

#include "engine/model/gguf/gguf_tokenizer.h"
#include "engine/model/tokenizer/utf8.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::ordered_json;

constexpr char kSpace[] = "\u2581";

absl::Status Malformed(const GgufFile& file, absl::string_view problem) {
  return WithReason(absl::InvalidArgumentError(absl::StrCat(file.path(), ": ", problem)), "MALFORMED_WEIGHTS");
}

struct Merge {
  double score;
  size_t left_characters;
  size_t right_characters;
  absl::string_view left;
  absl::string_view right;
};

/// All ways to make the piece of two that are in the map.
void AppendCuts(absl::string_view piece, double score, const absl::flat_hash_map<absl::string_view, size_t>& ids,
                std::vector<Merge>* merges) {
  std::vector<Merge> cuts;
  const size_t num_characters = tokenizer::CountCharacters(piece);
  size_t cut = 0;
  for (size_t i = 1; i < num_characters; ++i) {
    cut += tokenizer::CharacterAt(piece, cut).num_bytes;
    const absl::string_view left = piece.substr(0, cut);
    const absl::string_view right = piece.substr(cut);
    if (ids.contains(left) && ids.contains(right)) cuts.push_back({score, i, num_characters - i, left, right});
  }
  std::sort(cuts.begin(), cuts.end(), [&](const Merge& a, const Merge& b) {
    return std::pair(ids.at(a.left), ids.at(a.right)) < std::pair(ids.at(b.left), ids.at(b.right));
  });
  merges->insert(merges->end(), cuts.begin(), cuts.end());
}

absl::StatusOr<ordered_json> MergesOf(const GgufFile& file) {
  const auto& tokens = *file.Texts("tokenizer.ggml.tokens");
  const auto* scores = file.Numbers("tokenizer.ggml.scores");
  const auto* kinds = file.Integers("tokenizer.ggml.token_type");
  if (scores == nullptr || scores->size() != tokens.size()) return Malformed(file, "not every token has a score");
  absl::flat_hash_map<absl::string_view, size_t> ids;
  const auto is_piece = [&](size_t id) { return kinds == nullptr || (*kinds)[id] == kNormalToken; };
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (!std::isfinite((*scores)[id]))
      return Malformed(file, absl::StrCat("the score of token ", id, " is not finite"));
    if (tokenizer::FindInvalidUtf8(tokens[id]).has_value())
      return Malformed(file, absl::StrCat("token ", id, " is not valid UTF-8"));
    if (is_piece(id)) ids.emplace(tokens[id], id);
  }
  std::vector<Merge> merges;
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (is_piece(id)) AppendCuts(tokens[id], (*scores)[id], ids, &merges);
  }
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
    return std::tuple(a.score, a.left_characters, a.right_characters) >
           std::tuple(b.score, b.left_characters, b.right_characters);
  });
  ordered_json list = ordered_json::array();
  for (const Merge& merge : merges)
    list.push_back(ordered_json::array({std::string(merge.left), std::string(merge.right)}));
  return list;
}

ordered_json Replace(const char* from, const char* to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

}  // namespace

absl::StatusOr<ordered_json> PiecesJson(const GgufFile& file) {
  const auto* tokens = file.Texts("tokenizer.ggml.tokens");
  const auto* kinds = file.Integers("tokenizer.ggml.token_type");
  if (tokens == nullptr || (kinds != nullptr && kinds->size() != tokens->size()))
    return Malformed(file, "its lists of tokens and of their types do not fit each other");
  const int64_t unknown = file.Integer("tokenizer.ggml.unknown_token_id").value_or(0);
  if (unknown < 0 || unknown >= static_cast<int64_t>(tokens->size())) return Malformed(file, "it has no unknown token");
  PIVOT_ASSIGN_OR_RETURN(ordered_json merges, MergesOf(file));
  const bool adds_prefix = file.Boolean("tokenizer.ggml.add_space_prefix").value_or(true);
  ordered_json normalizers = ordered_json::array();
  if (adds_prefix) normalizers.push_back({{"type", "Prepend"}, {"prepend", kSpace}});
  normalizers.push_back(Replace(" ", kSpace));
  ordered_json decoders = ordered_json::array({Replace(kSpace, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}});
  if (adds_prefix) decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  return ordered_json{{"normalizer", {{"type", "Sequence"}, {"normalizers", std::move(normalizers)}}},
                      {"pre_tokenizer", nullptr},
                      {"decoder", {{"type", "Sequence"}, {"decoders", std::move(decoders)}}},
                      {"model",
                       {{"type", "BPE"},
                        {"dropout", nullptr},
                        {"unk_token", std::string((*tokens)[static_cast<size_t>(unknown)])},
                        {"continuing_subword_prefix", nullptr},
                        {"end_of_word_suffix", nullptr},
                        {"fuse_unk", true},
                        {"byte_fallback", true},
                        {"ignore_merges", false},
                        {"merges", std::move(merges)}}}};
}

}  // namespace pivot
