// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/json_parts.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/component.h"
#include "engine/model/tokenizer/model_reader.h"
#include "engine/model/tokenizer/tokenizer_json.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

using nlohmann::json;

/// Members that are handled elsewhere, or say nothing.
bool IsKnownMember(absl::string_view name) {
  constexpr absl::string_view kNames[] = {"version",       "truncation", "padding",        "added_tokens", "normalizer",
                                          "pre_tokenizer", "model",      "post_processor", "decoder"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

absl::Status CheckTopLevel(const json& document) {
  if (!document.is_object()) return Malformed("not a JSON object");
  for (const auto& member : document.items()) {
    if (!IsKnownMember(member.key())) return Unsupported(absl::StrCat("the member ", Quoted(member.key())));
  }
  const json* version = FindMember(document, "version");
  if (version != nullptr && *version != "1.0") return Unsupported(absl::StrCat("a \"version\" other than \"1.0\""));
  for (const char* name : {"truncation", "padding"}) {
    if (FindMember(document, name) != nullptr) return Unsupported(absl::StrCat("\"", name, "\""));
  }
  const json* model = FindMember(document, "model");
  return model != nullptr && model->is_object() ? absl::OkStatus() : Malformed("there is no model");
}

}  // namespace

absl::StatusOr<std::unique_ptr<const TokenizerParts>> ReadJsonParts(absl::string_view tokenizer_json) {
  PIVOT_ASSIGN_OR_RETURN(TokenizerJson content, ParseTokenizerJson(tokenizer_json));
  const json& document = content.document;
  PIVOT_RETURN_IF_ERROR(CheckTopLevel(document));
  PIVOT_ASSIGN_OR_RETURN(auto tokens, Vocabulary::Create(content.tokens, content.token_ids));
  auto vocabulary = std::make_unique<const Vocabulary>(std::move(tokens));
  PIVOT_ASSIGN_OR_RETURN(auto pre_tokenizer, PreTokenizer::Create(FindMember(document, "pre_tokenizer")));
  const auto words = pre_tokenizer.is_byte_level() ? Model::WordForm::kBytes : Model::WordForm::kText;
  PIVOT_ASSIGN_OR_RETURN(auto model, ReadModel(content, *vocabulary, words));
  PIVOT_ASSIGN_OR_RETURN(auto normalizer, Normalizer::Create(FindMember(document, "normalizer")));
  PIVOT_ASSIGN_OR_RETURN(auto post_processor, PostProcessor::Create(FindMember(document, "post_processor")));
  PIVOT_ASSIGN_OR_RETURN(auto decoder, Decoder::Create(FindMember(document, "decoder")));
  PIVOT_ASSIGN_OR_RETURN(auto added_tokens,
                         AddedTokens::Create(FindMember(document, "added_tokens"), *vocabulary, normalizer));
  return std::unique_ptr<const TokenizerParts>(new TokenizerParts{std::move(vocabulary),
                                                                  std::move(model),
                                                                  std::move(normalizer),
                                                                  std::move(added_tokens),
                                                                  std::move(pre_tokenizer),
                                                                  std::move(post_processor),
                                                                  std::move(decoder),
                                                                  {}});
}

}  // namespace pivot::tokenizer
