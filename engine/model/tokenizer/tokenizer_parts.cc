// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/tokenizer_parts.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "engine/model/tokenizer/byte_level.h"
#include "engine/model/tokenizer/utf8.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

/// Half of what a model takes, as each byte may become two of letters.
constexpr size_t kMaxWordBytes = (size_t{1} << 30U) - 1;

}  // namespace

absl::Status TokenizerParts::Encode(absl::string_view text, Scratch* scratch, std::vector<int32_t>* ids) const {
  const auto add_id = [&](int32_t id) { ids->push_back(id); };
  const auto encode_part = [&](absl::string_view part) -> absl::Status {
    const bool is_front = part.data() == text.data();
    const TextView view{part, is_front ? CharacterAt(part, 0).num_bytes : 0};
    NormalizedText storage;
    PIVOT_ASSIGN_OR_RETURN(const TextView normalized, normalizer.Apply(view, &scratch->regex, &storage));
    const auto encode = [&](absl::string_view words) {
      const auto begin = static_cast<size_t>(words.data() - normalized.text.data());
      const size_t origin_bytes = begin < normalized.origin_bytes ? normalized.origin_bytes - begin : 0;
      return EncodeBetweenTokens({words, std::min(origin_bytes, words.size())}, scratch, ids);
    };
    return added_tokens.normalized().Split(normalized.text, encode, add_id);
  };
  return added_tokens.verbatim().Split(text, encode_part, add_id);
}

absl::Status TokenizerParts::EncodeBetweenTokens(TextView text, Scratch* scratch, std::vector<int32_t>* ids) const {
  const bool spells_bytes = pre_tokenizer.is_byte_level() && model->word_form() == Model::WordForm::kText;
  return pre_tokenizer.Split(text, &scratch->regex, [&](absl::string_view word) -> absl::Status {
    if (word.size() > kMaxWordBytes) return absl::InvalidArgumentError("the normalized text has 1 GiB or more");
    if (spells_bytes) return model->EncodeWord(TokenOfBytes(word), &scratch->words, ids);
    return model->EncodeWord(word, &scratch->words, ids);
  });
}

std::vector<std::string> TokenizerParts::TextsOf(absl::Span<const int32_t> ids, Special special) const {
  std::vector<std::string> texts;
  texts.reserve(ids.size());
  for (const int32_t id : ids) {
    const AddedToken* added = added_tokens.FindById(id);
    const std::optional<absl::string_view> token =
        added != nullptr ? std::optional<absl::string_view>(added->pattern) : vocabulary->TextOf(id);
    if (!token.has_value()) continue;
    // `tokenizers` asks whether this text is a special token's, though it is the normalized one.
    const AddedToken* same = special == Special::kLeftOut ? added_tokens.FindByContent(*token) : nullptr;
    if (same == nullptr || !same->special) texts.emplace_back(*token);
  }
  return texts;
}

}  // namespace pivot::tokenizer
