// SPDX-License-Identifier: Apache-2.0
#include "engine/model/gguf/gguf_word_list.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/model/gguf/gguf_tokenizer.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

absl::Status Malformed(absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("tokenizer.json: ", problem));
}

absl::Status AddToken(const std::string& text, const json& id, int64_t kind, GgufWordList& words) {
  if (!id.is_number_integer() || id.get<int64_t>() < 0) return Malformed(absl::StrCat(text, " has no id"));
  const auto index = id.get<int64_t>();
  const auto size = static_cast<int64_t>(words.tokens.size());
  if (index >= size)
    return CannotBeGguf(absl::StrCat("token ", text, " has the id ", index, ", and the embedding ", size, " rows"));
  words.tokens[static_cast<size_t>(index)] = text;
  words.kinds[static_cast<size_t>(index)] = static_cast<int32_t>(kind);
  words.ids[text] = index;
  return absl::OkStatus();
}

absl::Status AddAdded(const json& added, GgufWordList& words) {
  if (!added.is_object() || !added.value("content", json()).is_string())
    return Malformed("an added token has no content");
  const auto text = added["content"].get<std::string>();
  for (const char* flag : {"single_word", "lstrip", "rstrip"}) {
    if (added.value(flag, json(false)) == json(true))
      return CannotBeGguf(absl::StrCat("the added token ", text, " has ", flag, ", which GGUF has not"));
  }
  const bool is_special = added.value("special", json(false)) == json(true);
  return AddToken(text, added.value("id", json()), is_special ? kControlToken : kUserToken, words);
}

absl::Status AddMerge(const json& merge, GgufWordList& words) {
  if (merge.is_string()) {
    words.merges.push_back(merge.get<std::string>());
    if (words.merges.back().find(' ') == std::string::npos) return Malformed("a merge is not two tokens");
    return absl::OkStatus();
  }
  if (!merge.is_array() || merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string())
    return Malformed("a merge is not two tokens");
  words.merges.push_back(absl::StrCat(merge[0].get<std::string>(), " ", merge[1].get<std::string>()));
  return absl::OkStatus();
}

}  // namespace

absl::Status CannotBeGguf(absl::string_view problem) {
  return WithReason(absl::FailedPreconditionError(absl::StrCat("tokenizer.json: ", problem)), "FORMAT_CANNOT_EXPRESS");
}

std::optional<int64_t> GgufWordList::Find(absl::string_view token) const {
  const auto found = ids.find(std::string(token));
  return found == ids.end() ? std::nullopt : std::optional(found->second);
}

absl::StatusOr<GgufWordList> ReadWordList(const json& tokenizer, int64_t vocab_size) {
  GgufWordList words;
  for (int64_t id = 0; id < vocab_size; ++id) words.tokens.push_back(absl::StrCat("[PAD", id, "]"));
  words.kinds.assign(words.tokens.size(), static_cast<int32_t>(kUnusedToken));
  const json& model = tokenizer.at("model");
  const json vocabulary = model.value("vocab", json());
  if (!vocabulary.is_object()) return Malformed("its model has no vocab");
  for (const auto& [text, id] : vocabulary.items()) PIVOT_RETURN_IF_ERROR(AddToken(text, id, kNormalToken, words));
  for (const json& added : tokenizer.value("added_tokens", json::array()))
    PIVOT_RETURN_IF_ERROR(AddAdded(added, words));
  for (const json& merge : model.value("merges", json::array())) PIVOT_RETURN_IF_ERROR(AddMerge(merge, words));
  return words;
}

}  // namespace pivot
