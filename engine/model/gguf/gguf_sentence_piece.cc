// SPDX-License-Identifier: Apache-2.0
#include "engine/model/gguf/gguf_sentence_piece.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "engine/model/gguf/gguf_tokenizer.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

constexpr char kSpace[] = "\u2581";
constexpr float kNeverMade = -1e6F;

bool IsByteToken(absl::string_view text) {
  return text.size() == 6 && absl::StartsWith(text, "<0x") && absl::EndsWith(text, ">");
}

/// Whether a space goes before the text; CannotBeGguf for another treatment of spaces than SentencePiece's.
absl::StatusOr<bool> AddsSpacePrefix(const json& tokenizer) {
  const json replaces{{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpace}};
  const json prepends{{"type", "Prepend"}, {"prepend", kSpace}};
  const json normalizer = tokenizer.value("normalizer", json());
  const json pre_tokenizer = tokenizer.value("pre_tokenizer", json());
  const json steps = normalizer.is_object() ? normalizer.value("normalizers", json()) : json();
  if (pre_tokenizer.is_null() && steps == json::array({prepends, replaces})) return true;
  if (pre_tokenizer.is_null() && (steps == json::array({replaces}) || normalizer == replaces)) return false;
  const bool is_metaspace =
      normalizer.is_null() && pre_tokenizer.is_object() && pre_tokenizer.value("type", json()) == "Metaspace" &&
      pre_tokenizer.value("replacement", json()) == kSpace && pre_tokenizer.value("split", json(true)) == json(false);
  if (is_metaspace) return pre_tokenizer.value("prepend_scheme", json("always")) != "never";
  return CannotBeGguf(absl::StrCat("GGUF has no way to treat spaces as the normalizer ", normalizer.dump(),
                                   " and the pre_tokenizer ", pre_tokenizer.dump(), " do"));
}

/// A reader would join what tokenizer.json does not.
bool IsMadeOfTwo(const std::string& token, const GgufWordList& words) {
  for (size_t cut = 1; cut < token.size(); ++cut) {
    if (words.Find(token.substr(0, cut)).has_value() && words.Find(token.substr(cut)).has_value()) return true;
  }
  return false;
}

absl::StatusOr<std::vector<float>> Scores(const GgufWordList& words) {
  std::vector<float> scores(words.tokens.size(), kNeverMade);
  std::vector<bool> has_merge(words.tokens.size(), false);
  for (size_t rank = 0; rank < words.merges.size(); ++rank) {
    std::string made = words.merges[rank];
    made.erase(made.find(' '), 1);
    const auto id = words.Find(made);
    if (!id.has_value() || has_merge[static_cast<size_t>(*id)]) continue;
    has_merge[static_cast<size_t>(*id)] = true;
    scores[static_cast<size_t>(*id)] = -static_cast<float>(rank);
  }
  for (size_t id = 0; id < words.tokens.size(); ++id) {
    const bool is_plain = words.kinds[id] == kNormalToken && !IsByteToken(words.tokens[id]);
    if (is_plain && !has_merge[id] && IsMadeOfTwo(words.tokens[id], words))
      return CannotBeGguf(
          absl::StrCat("token ", words.tokens[id], " has no merge, and a reader of GGUF would make it"));
  }
  return scores;
}

}  // namespace

absl::Status AddSentencePieces(const json& tokenizer, const GgufWordList& words, GgufValues& values) {
  PIVOT_ASSIGN_OR_RETURN(const bool adds_prefix, AddsSpacePrefix(tokenizer));
  PIVOT_ASSIGN_OR_RETURN(const std::vector<float> scores, Scores(words));
  std::vector<int32_t> kinds = words.kinds;
  const json unknown = tokenizer.at("model").value("unk_token", json());
  for (size_t id = 0; id < kinds.size(); ++id) {
    if (IsByteToken(words.tokens[id])) kinds[id] = static_cast<int32_t>(kByteToken);
    if (unknown == words.tokens[id]) kinds[id] = static_cast<int32_t>(kUnknownToken);
  }
  values.AddText("tokenizer.ggml.model", "llama");
  values.AddText("tokenizer.ggml.pre", "default");
  values.AddTexts("tokenizer.ggml.tokens", words.tokens);
  values.AddNumbers("tokenizer.ggml.scores", scores);
  values.AddIntegers("tokenizer.ggml.token_type", kinds);
  values.AddBoolean("tokenizer.ggml.add_space_prefix", adds_prefix);
  return absl::OkStatus();
}

}  // namespace pivot
