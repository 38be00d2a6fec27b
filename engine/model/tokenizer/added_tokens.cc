// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/added_tokens.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/component.h"
#include "engine/model/tokenizer/unicode.h"
#include "engine/model/tokenizer/utf8.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

using nlohmann::json;
using Entry = AddedTokenFinder::Entry;

uint8_t FirstByte(const Entry& entry) { return static_cast<uint8_t>(entry.pattern[0]); }

bool TouchesWord(absl::string_view before, absl::string_view after) {
  return (!before.empty() && IsWordCharacter(LastCharacter(before).code_point)) ||
         (!after.empty() && IsWordCharacter(CharacterAt(after, 0).code_point));
}

absl::StatusOr<AddedToken> ReadAddedToken(const json& element) {
  constexpr absl::string_view kWhat = "each of added_tokens";
  AddedToken token{};
  PIVOT_ASSIGN_OR_RETURN(token.content, ReadText(element, "content", kWhat));
  PIVOT_ASSIGN_OR_RETURN(token.single_word, ReadBoolean(element, "single_word", kWhat));
  PIVOT_ASSIGN_OR_RETURN(token.lstrip, ReadBoolean(element, "lstrip", kWhat));
  PIVOT_ASSIGN_OR_RETURN(token.rstrip, ReadBoolean(element, "rstrip", kWhat));
  PIVOT_ASSIGN_OR_RETURN(token.normalized, ReadBoolean(element, "normalized", kWhat));
  PIVOT_ASSIGN_OR_RETURN(token.special, ReadBoolean(element, "special", kWhat));
  const json* id = FindMember(element, "id");
  PIVOT_ASSIGN_OR_RETURN(token.id, ReadTokenId(id == nullptr ? json() : *id, kWhat));
  return token;
}

/// The tokens of the file. An empty one can be found nowhere, and is left out.
absl::StatusOr<std::vector<AddedToken>> ReadAddedTokens(const json* list) {
  std::vector<AddedToken> tokens;
  if (list == nullptr) return tokens;
  if (!list->is_array()) return Malformed("added_tokens is not a list");
  for (const json& element : *list) {
    PIVOT_ASSIGN_OR_RETURN(AddedToken token, ReadAddedToken(element));
    if (!token.content.empty()) tokens.push_back(std::move(token));
  }
  return tokens;
}

/// Which of the tokens a finder looks for.
enum class Sought { kVerbatim, kNormalized };

absl::StatusOr<AddedTokenFinder> MakeFinder(const std::vector<AddedToken>& tokens, Sought sought) {
  std::vector<Entry> entries;
  for (const AddedToken& token : tokens) {
    if (token.normalized != (sought == Sought::kNormalized)) continue;
    // What the normalizer leaves nothing of is found nowhere.
    if (token.pattern.empty()) continue;
    entries.push_back({token.pattern, token});
  }
  return AddedTokenFinder::Create(std::move(entries));
}

/// Sets what each token is looked for as.
absl::Status SetPatterns(const Normalizer& normalizer, std::vector<AddedToken>* tokens) {
  RegexScratch scratch;
  for (AddedToken& token : *tokens) {
    token.pattern = token.content;
    if (!token.normalized) continue;
    NormalizedText storage;
    PIVOT_ASSIGN_OR_RETURN(const TextView pattern, normalizer.Apply({token.content}, &scratch, &storage));
    token.pattern = std::string(pattern.text);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AddedTokenFinder> AddedTokenFinder::Create(std::vector<Entry> entries) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.pattern < b.pattern; });
  const auto same = std::adjacent_find(entries.begin(), entries.end(),
                                       [](const Entry& a, const Entry& b) { return a.pattern == b.pattern; });
  if (same != entries.end()) return Malformed(absl::StrCat("added_tokens has ", Quoted(same->pattern), " twice"));
  AddedTokenFinder finder;
  for (const Entry& entry : entries) ++finder.first_[FirstByte(entry) + size_t{1}];
  for (size_t byte = 0; byte < 256; ++byte) finder.first_[byte + 1] += finder.first_[byte];
  finder.entries_ = std::move(entries);
  return finder;
}

const Entry* AddedTokenFinder::FindAtFront(absl::string_view text) const {
  const size_t byte = static_cast<uint8_t>(text[0]);
  auto begin = entries_.begin() + first_[byte];
  auto end = entries_.begin() + first_[byte + 1];
  const Entry* longest = nullptr;
  // The entries that agree with the text so far are neighbours, the shortest first; each byte narrows them down.
  for (size_t length = 1; begin != end; ++length) {
    if (begin->pattern.size() == length) longest = &*begin++;
    if (length == text.size()) break;
    const auto next_byte = [length](const Entry& entry) { return static_cast<uint8_t>(entry.pattern[length]); };
    const auto wanted = static_cast<uint8_t>(text[length]);
    begin = std::partition_point(begin, end, [&](const Entry& entry) { return next_byte(entry) < wanted; });
    end = std::partition_point(begin, end, [&](const Entry& entry) { return next_byte(entry) == wanted; });
  }
  return longest;
}

absl::Status AddedTokenFinder::Split(absl::string_view text, absl::FunctionRef<absl::Status(absl::string_view)> on_text,
                                     absl::FunctionRef<void(int32_t)> on_token) const {
  size_t done = 0;
  for (size_t offset = 0; offset < text.size();) {
    const size_t byte = static_cast<uint8_t>(text[offset]);
    const Entry* entry = first_[byte] == first_[byte + 1] ? nullptr : FindAtFront(text.substr(offset));
    if (entry == nullptr) {
      ++offset;
      continue;
    }
    const size_t begin = offset;
    offset += entry->pattern.size();  // also if the token is not taken: what it covers is not searched again
    const absl::string_view before = text.substr(0, begin);
    const absl::string_view after = text.substr(offset);
    if (entry->token.single_word && TouchesWord(before, after)) continue;
    const size_t token_begin = entry->token.lstrip ? std::max(begin - TrailingSpaceBytes(before), done) : begin;
    const size_t token_end = offset + (entry->token.rstrip ? LeadingSpaceBytes(after) : 0);
    if (done < token_begin) PIVOT_RETURN_IF_ERROR(on_text(text.substr(done, token_begin - done)));
    // Of a token that is white space itself, the token before may have left nothing.
    if (token_begin < token_end) on_token(entry->token.id);
    done = token_end;
  }
  return done < text.size() ? on_text(text.substr(done)) : absl::OkStatus();
}

absl::StatusOr<AddedTokens> AddedTokens::Create(const json* list, const Vocabulary& vocabulary,
                                                const Normalizer& normalizer) {
  PIVOT_ASSIGN_OR_RETURN(std::vector<AddedToken> tokens, ReadAddedTokens(list));
  PIVOT_RETURN_IF_ERROR(SetPatterns(normalizer, &tokens));
  PIVOT_ASSIGN_OR_RETURN(AddedTokenFinder verbatim, MakeFinder(tokens, Sought::kVerbatim));
  PIVOT_ASSIGN_OR_RETURN(AddedTokenFinder normalized, MakeFinder(tokens, Sought::kNormalized));
  AddedTokens result(std::move(verbatim), std::move(normalized));
  int32_t largest_id = -1;
  for (const AddedToken& token : tokens) {
    const std::optional<int32_t> known_id = vocabulary.Find(token.content);
    const int32_t id = known_id.value_or(std::max(largest_id + 1, vocabulary.size()));
    if (token.id != id) {
      return Malformed(absl::StrCat("the added token ", Quoted(token.content), " has the id ", token.id,
                                    "; by the rules of ", "the format, which ignore that number, it is ", id));
    }
    if (!known_id.has_value()) ++result.num_new_;
    largest_id = std::max(largest_id, id);
    const size_t index = result.index_by_content_.size();
    if (!result.index_by_content_.emplace(token.content, index).second) {
      return Malformed(absl::StrCat("added_tokens has ", Quoted(token.content), " twice"));
    }
    result.index_by_id_[id] = index;
  }
  result.id_limit_ = largest_id + 1;
  result.tokens_ = std::move(tokens);
  return result;
}

const AddedToken* AddedTokens::FindById(int32_t id) const {
  const auto found = index_by_id_.find(id);
  return found == index_by_id_.end() ? nullptr : &tokens_[found->second];
}

const AddedToken* AddedTokens::FindByContent(absl::string_view content) const {
  const auto found = index_by_content_.find(content);
  return found == index_by_content_.end() ? nullptr : &tokens_[found->second];
}

}  // namespace pivot::tokenizer
