// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/bpe.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/byte_level.h"
#include "engine/model/tokenizer/component.h"
#include "engine/model/tokenizer/utf8.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

using nlohmann::json;

constexpr int32_t kNone = -1;
constexpr uint32_t kNoMerge = std::numeric_limits<uint32_t>::max();
/// 160 kB of symbols: what the words of ordinary text stay below.
constexpr size_t kKeptSymbols = 8192;

uint64_t PairKey(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32U | static_cast<uint32_t>(right);
}

/// Orders a heap by falling rank, then position: its top is the next pair to merge.
bool ComesLater(const MergeCandidate& a, const MergeCandidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
}

bool IsEmptyText(const json* value) {
  return value == nullptr || (value->is_string() && value->get_ref<const std::string&>().empty());
}

absl::Status CheckNoAffixes(const json& model) {
  for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!IsEmptyText(FindMember(model, name))) return Unsupported(absl::StrCat("the BPE model's \"", name, "\""));
  }
  return absl::OkStatus();
}

/// The lists have been read already; null stands for each that had the right form.
absl::Status CheckLists(const json& model) {
  for (const char* name : {"vocab", "merges"}) {
    const auto found = model.find(name);
    if (found == model.end()) return Malformed(absl::StrCat("the BPE model has no \"", name, "\""));
    if (!found->is_null()) return Malformed(absl::StrCat("the BPE model's \"", name, "\" has another form"));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> ReadFlag(const json& model, absl::string_view name) {
  if (FindMember(model, name) == nullptr) return false;
  return ReadBoolean(model, name, "model");
}

}  // namespace

void BpeScratch::Shrink() {
  if (symbols.capacity() <= kKeptSymbols) return;
  symbols = {};
  queue = {};
  word_ids = {};
}

Bpe::Bpe(const Vocabulary& vocabulary) : vocabulary_(&vocabulary) {
  const auto& alphabet = ByteAlphabet();
  for (size_t byte = 0; byte < alphabet.size(); ++byte) {
    std::string token;
    AppendUtf8(alphabet[byte], &token);
    id_by_byte_[byte] = vocabulary.Find(token).value_or(kNone);
  }
}

absl::StatusOr<Bpe> Bpe::Create(const json& model, const TextList& merges, const Vocabulary& vocabulary) {
  Bpe bpe(vocabulary);
  PIVOT_RETURN_IF_ERROR(bpe.ReadOptions(model));
  PIVOT_RETURN_IF_ERROR(bpe.AddMerges(merges));
  return bpe;
}

absl::Status Bpe::ReadOptions(const json& model) {
  if (FindMember(model, "type") != nullptr) {  // old files leave it out
    PIVOT_ASSIGN_OR_RETURN(const std::string type, ReadType(model, "model"));
    if (type != "BPE") return Unsupported(absl::StrCat("the model ", Quoted(type)));
  }
  PIVOT_RETURN_IF_ERROR(CheckLists(model));
  const json* dropout = FindMember(model, "dropout");
  if (dropout != nullptr && *dropout != 0) return Unsupported("the BPE model's \"dropout\"");
  PIVOT_RETURN_IF_ERROR(CheckNoAffixes(model));
  PIVOT_ASSIGN_OR_RETURN(const bool byte_fallback, ReadFlag(model, "byte_fallback"));
  if (byte_fallback) return Unsupported("the BPE model's \"byte_fallback\"");
  // An unknown token has no use where every byte is known.
  const bool knows_all_bytes = std::find(id_by_byte_.begin(), id_by_byte_.end(), kNone) == id_by_byte_.end();
  if (FindMember(model, "unk_token") != nullptr && !knows_all_bytes)
    return Unsupported("the BPE model's \"unk_token\"");
  PIVOT_ASSIGN_OR_RETURN(whole_words_first_, ReadFlag(model, "ignore_merges"));
  return absl::OkStatus();
}

absl::Status Bpe::AddMerges(const TextList& merges) {
  merges_.reserve(merges.size() / 2);
  for (size_t i = 0; i + 1 < merges.size(); i += 2) {
    const absl::string_view left_text = merges[i];
    const absl::string_view right_text = merges[i + 1];
    const std::optional<int32_t> left = vocabulary_->Find(left_text);
    const std::optional<int32_t> right = vocabulary_->Find(right_text);
    const std::optional<int32_t> merged = vocabulary_->Find(absl::StrCat(left_text, right_text));
    if (!left || !right || !merged) {
      return Malformed(absl::StrCat("model.merges: ", Quoted(left_text), ", ", Quoted(right_text),
                                    " or both together are not in the vocabulary"));
    }
    // Of equal merges the last one counts.
    merges_[PairKey(*left, *right)] = {static_cast<uint32_t>(i / 2), *merged};
  }
  return absl::OkStatus();
}

void Bpe::EncodeWord(absl::string_view word, BpeScratch* scratch, std::vector<int32_t>* ids) const {
  std::optional<absl::Span<const int32_t>> word_ids;
  if (word.size() <= WordCache::kMaxWordBytes) word_ids = scratch->cache.Find(word);
  if (!word_ids.has_value()) {
    EncodeNewWord(word, scratch);
    scratch->cache.Add(word, scratch->word_ids);
    word_ids = scratch->word_ids;
  }
  ids->insert(ids->end(), word_ids->begin(), word_ids->end());
}

void Bpe::EncodeNewWord(absl::string_view word, BpeScratch* scratch) const {
  scratch->word_ids.clear();
  if (whole_words_first_) {
    if (const std::optional<int32_t> id = vocabulary_->Find(TokenOfBytes(word))) {
      scratch->word_ids.push_back(*id);
      return;
    }
  }
  AddSymbols(word, &scratch->symbols);
  if (scratch->symbols.empty()) return;
  MergeAll(scratch);
  // The first symbol is never merged into another one, so it begins what is left.
  for (int32_t i = 0; i != kNone; i = scratch->symbols[static_cast<size_t>(i)].next) {
    scratch->word_ids.push_back(scratch->symbols[static_cast<size_t>(i)].id);
  }
}

void Bpe::AddSymbols(absl::string_view word, std::vector<Symbol>* symbols) const {
  symbols->clear();
  for (const char byte : word) {
    const int32_t id = id_by_byte_[static_cast<uint8_t>(byte)];
    if (id == kNone) continue;
    const auto index = static_cast<int32_t>(symbols->size());
    symbols->push_back({id, index - 1, index + 1, kNoMerge, kNone});
  }
  if (!symbols->empty()) symbols->back().next = kNone;
}

void Bpe::UpdateCandidate(int32_t left, BpeScratch* scratch) const {
  Symbol& symbol = scratch->symbols[static_cast<size_t>(left)];
  symbol.merge_rank = kNoMerge;
  if (symbol.next == kNone) return;
  const auto found = merges_.find(PairKey(symbol.id, scratch->symbols[static_cast<size_t>(symbol.next)].id));
  if (found == merges_.end()) return;
  symbol.merge_rank = found->second.rank;
  symbol.merged_id = found->second.id;
  scratch->queue.push_back({symbol.merge_rank, left});
}

void Bpe::MergeAll(BpeScratch* scratch) const {
  std::vector<Symbol>& symbols = scratch->symbols;
  std::vector<MergeCandidate>& queue = scratch->queue;
  queue.clear();
  for (size_t i = 0; i < symbols.size(); ++i) UpdateCandidate(static_cast<int32_t>(i), scratch);
  std::make_heap(queue.begin(), queue.end(), ComesLater);

  const auto enqueue = [&](int32_t left) {
    const size_t size_before = queue.size();
    UpdateCandidate(left, scratch);
    if (queue.size() != size_before) std::push_heap(queue.begin(), queue.end(), ComesLater);
  };
  while (!queue.empty()) {
    const MergeCandidate candidate = queue.front();
    std::pop_heap(queue.begin(), queue.end(), ComesLater);
    queue.pop_back();
    Symbol& left = symbols[static_cast<size_t>(candidate.left)];
    // Each pair has its own rank, so an equal rank means the same pair as when it was queued.
    if (left.merge_rank != candidate.rank) continue;
    Symbol& right = symbols[static_cast<size_t>(left.next)];
    left.id = left.merged_id;
    left.next = right.next;
    right.merge_rank = kNoMerge;
    if (left.next != kNone) symbols[static_cast<size_t>(left.next)].previous = candidate.left;
    if (left.previous != kNone) enqueue(left.previous);
    enqueue(candidate.left);
  }
}

}  // namespace pivot::tokenizer
