// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/merge_table.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace pivot::tokenizer {
namespace {

constexpr int32_t kNone = -1;
constexpr uint32_t kNoMerge = std::numeric_limits<uint32_t>::max();

/// Orders a heap by falling rank, then position: its top is the next pair to merge.
bool ComesLater(const MergeCandidate& a, const MergeCandidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
}

}  // namespace

void MergeTable::AddSymbol(int32_t id, WordScratch* scratch) {
  const auto index = static_cast<int32_t>(scratch->symbols.size());
  if (index > 0) scratch->symbols.back().next = index;
  scratch->symbols.push_back({id, index - 1, kNone, kNoMerge, kNone});
}

void MergeTable::MergeAll(WordScratch* scratch) const {
  if (scratch->symbols.empty()) return;
  if (scratch->symbols.size() > 1) MergePairs(scratch);
  // The first symbol is never the right half of a merge, so it begins what is left.
  for (int32_t i = 0; i != kNone; i = scratch->symbols[static_cast<size_t>(i)].next) {
    scratch->word_ids.push_back(scratch->symbols[static_cast<size_t>(i)].id);
  }
}

void MergeTable::UpdateCandidate(int32_t left, WordScratch* scratch) const {
  Symbol& symbol = scratch->symbols[static_cast<size_t>(left)];
  symbol.merge_rank = kNoMerge;
  if (symbol.next == kNone) return;
  const auto found = merges_.find(PairKey(symbol.id, scratch->symbols[static_cast<size_t>(symbol.next)].id));
  if (found == merges_.end()) return;
  symbol.merge_rank = found->second.rank;
  symbol.merged_id = found->second.id;
  scratch->queue.push_back({symbol.merge_rank, left});
}

void MergeTable::MergePairs(WordScratch* scratch) const {
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
    // An equal rank means the pair that was queued, or one that is merged next all the same.
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
