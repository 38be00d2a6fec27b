// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_ENGINE_TOKENIZER_SMALL_TOKENIZER_H_
#define PIVOT_TESTS_ENGINE_TOKENIZER_SMALL_TOKENIZER_H_

// The JSON of small tokenizers, to be changed by each test.

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "engine/model/tokenizer/byte_level.h"
#include "engine/model/tokenizer/tokenizer.h"
#include "engine/model/tokenizer/utf8.h"

namespace pivot {

inline nlohmann::json ByteLevelJson() {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
}

/// Every byte is a token, with the byte as its id; then come the merges of `pairs`, from 256 on: "he" of {"h", "e"}.
inline nlohmann::json SmallTokenizerJson(std::initializer_list<std::pair<std::string, std::string>> pairs = {}) {
  nlohmann::json vocabulary = nlohmann::json::object();
  for (int byte = 0; byte < 256; ++byte) {
    std::string token;
    tokenizer::AppendUtf8(tokenizer::ByteAlphabet()[static_cast<size_t>(byte)], &token);
    vocabulary[token] = byte;
  }
  nlohmann::json merges = nlohmann::json::array();
  for (const auto& [left, right] : pairs) {
    merges.push_back(absl::StrCat(left, " ", right));
    vocabulary.emplace(absl::StrCat(left, right), vocabulary.size());
  }
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", nlohmann::json::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer", ByteLevelJson()},
          {"post_processor", nullptr},
          {"decoder", ByteLevelJson()},
          {"model",
           {{"type", "BPE"}, {"dropout", nullptr}, {"unk_token", nullptr}, {"vocab", vocabulary}, {"merges", merges}}}};
}

inline nlohmann::json AddedTokenJson(int id, const std::string& content, const nlohmann::json& changes = {}) {
  nlohmann::json token = {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
                          {"rstrip", false}, {"normalized", false}, {"special", false}};
  if (changes.is_object()) token.update(changes);
  return token;
}

inline absl::StatusOr<Tokenizer> MakeTokenizer(const nlohmann::json& json) { return Tokenizer::FromJson(json.dump()); }

}  // namespace pivot

#endif  // PIVOT_TESTS_ENGINE_TOKENIZER_SMALL_TOKENIZER_H_
