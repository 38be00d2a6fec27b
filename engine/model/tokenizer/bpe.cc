// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/bpe.h"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "engine/model/tokenizer/byte_level.h"
#include "engine/model/tokenizer/utf8.h"

namespace pivot::tokenizer {
namespace {

constexpr int32_t kNone = -1;

}  // namespace

std::array<int32_t, 256> ByteAlphabetIds(const Vocabulary& vocabulary) {
  std::array<int32_t, 256> ids{};
  const auto& alphabet = ByteAlphabet();
  for (size_t byte = 0; byte < alphabet.size(); ++byte) {
    std::string token;
    AppendUtf8(alphabet[byte], &token);
    ids[byte] = vocabulary.Find(token).value_or(kNone);
  }
  return ids;
}

Bpe::Bpe(const Vocabulary& vocabulary, MergeTable merges, WholeWords whole_words)
    : vocabulary_(&vocabulary),
      id_by_byte_(ByteAlphabetIds(vocabulary)),
      merges_(std::move(merges)),
      whole_words_(whole_words) {}

absl::Status Bpe::EncodeNewWord(absl::string_view word, WordScratch* scratch) const {
  if (whole_words_ == WholeWords::kFirst) {
    if (const std::optional<int32_t> id = vocabulary_->Find(TokenOfBytes(word))) {
      scratch->word_ids.push_back(*id);
      return absl::OkStatus();
    }
  }
  scratch->symbols.clear();
  for (const char byte : word) {
    const int32_t id = id_by_byte_[static_cast<uint8_t>(byte)];
    if (id != kNone) MergeTable::AddSymbol(id, scratch);
  }
  merges_.MergeAll(scratch);
  return absl::OkStatus();
}

}  // namespace pivot::tokenizer
