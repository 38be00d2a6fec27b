// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/unigram.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/component.h"
#include "engine/model/tokenizer/utf8.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

constexpr int32_t kNotReached = -1;

void Offer(PathEnd candidate, PathEnd* end) {
  if (end->begin == kNotReached || candidate.score > end->score) *end = candidate;
}

}  // namespace

Unigram::Unigram(const Vocabulary& vocabulary, PrefixTree pieces, std::vector<double> scores, Options options)
    : vocabulary_(&vocabulary),
      pieces_(std::move(pieces)),
      scores_(std::move(scores)),
      byte_tokens_(vocabulary),
      options_(options) {}

void Unigram::FindPath(absl::string_view word, std::vector<PathEnd>* path) const {
  const bool rounds = options_.dialect == Dialect::kSentencePiece;
  const auto rounded = [rounds](double sum) { return rounds ? static_cast<double>(static_cast<float>(sum)) : sum; };
  path->assign(word.size() + 1, PathEnd{0, kNotReached, 0});
  for (size_t begin = 0; begin < word.size();) {
    const double score_before = rounded((*path)[begin].score);
    const size_t next = begin + CharacterAt(word, begin).num_bytes;
    const auto place = static_cast<int32_t>(begin);
    bool is_known = false;
    int32_t node = PrefixTree::kRoot;
    for (size_t end = begin; end < word.size();) {
      node = pieces_.Next(node, word[end++]);
      if (node == PrefixTree::kNone) break;
      const int32_t id = pieces_.IdAt(node);
      if (id == PrefixTree::kNone) continue;
      // SentencePiece compares before it rounds: the score is a double there, and the sum kept a float.
      PathEnd& target = (*path)[end];
      Offer({scores_[static_cast<size_t>(id)] + score_before, place, id}, &target);
      target.score = rounded(target.score);
      is_known |= end == next;
    }
    if (!is_known) {
      Offer({rounded(options_.unknown_score + score_before), place, options_.unknown_id.value_or(kNotReached)},
            &(*path)[next]);
    }
    begin = next;
  }
}

absl::Status Unigram::AddUnknown(absl::string_view run, std::vector<int32_t>* ids) const {
  if (options_.dialect == Dialect::kTokenizers) {
    if (const std::optional<int32_t> id = vocabulary_->Find(run)) {
      ids->push_back(*id);
      return absl::OkStatus();
    }
  }
  if (options_.spells_unknown && byte_tokens_.Append(run, ids)) return absl::OkStatus();
  if (!options_.unknown_id.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the tokenizer has no token for ", Quoted(run), ", and none for what is unknown"));
  }
  ids->push_back(*options_.unknown_id);
  return absl::OkStatus();
}

absl::Status Unigram::EncodeNewWord(absl::string_view word, WordScratch* scratch) const {
  std::vector<PathEnd>& path = scratch->path;
  FindPath(word, &path);
  const int32_t unknown_id = options_.unknown_id.value_or(kNotReached);
  // From back to front: the path's ends become its pieces in the order of the text.
  size_t num_pieces = 0;
  for (size_t end = word.size(); end > 0;) {
    const PathEnd piece = path[end];
    path[word.size() - num_pieces++] = {static_cast<double>(end), piece.begin, piece.id};
    end = static_cast<size_t>(piece.begin);
  }
  const auto* pieces = path.data() + word.size() + 1 - num_pieces;
  for (size_t i = 0; i < num_pieces; ++i) {
    if (pieces[i].id != unknown_id) {
      scratch->word_ids.push_back(pieces[i].id);
      continue;
    }
    const auto begin = static_cast<size_t>(pieces[i].begin);
    while (i + 1 < num_pieces && pieces[i + 1].id == unknown_id) ++i;
    const auto end = static_cast<size_t>(pieces[i].score);
    PIVOT_RETURN_IF_ERROR(AddUnknown(word.substr(begin, end - begin), &scratch->word_ids));
  }
  return absl::OkStatus();
}

}  // namespace pivot::tokenizer
