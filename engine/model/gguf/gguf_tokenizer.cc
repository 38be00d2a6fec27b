// SPDX-License-Identifier: Apache-2.0
#include "engine/model/gguf/gguf_tokenizer.h"

#include <array>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "engine/model/gguf/gguf_pieces.h"
#include "engine/model/gguf/gguf_pre_tokenizers.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::ordered_json;

absl::Status Unsupported(const GgufFile& file, absl::string_view problem) {
  return WithReason(absl::FailedPreconditionError(absl::StrCat(file.path(), ": ", problem)), "UNSUPPORTED_TOKENIZER");
}

absl::Status Malformed(const GgufFile& file, absl::string_view problem) {
  return WithReason(absl::InvalidArgumentError(absl::StrCat(file.path(), ": ", problem)), "MALFORMED_WEIGHTS");
}

/// A token's text, or "" when there is no such id.
std::string TokenText(const GgufFile& file, absl::string_view role) {
  const auto* tokens = file.Texts("tokenizer.ggml.tokens");
  const auto id = file.Integer(absl::StrCat("tokenizer.ggml.", role, "_token_id"));
  if (tokens == nullptr || !id.has_value() || *id < 0 || *id >= static_cast<int64_t>(tokens->size())) return "";
  return std::string((*tokens)[static_cast<size_t>(*id)]);
}

ordered_json AddedToken(size_t id, absl::string_view text, bool is_special) {
  return {{"id", id},        {"content", std::string(text)}, {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false},          {"special", is_special}};
}

ordered_json TemplatePiece(const char* kind, const std::string& id) { return {{kind, {{"id", id}, {"type_id", 0}}}}; }

/// What puts the first and last token around a text; null when there is neither.
absl::StatusOr<ordered_json> PostProcessor(const GgufFile& file, bool adds_bos_by_itself) {
  const bool adds_bos = file.Boolean("tokenizer.ggml.add_bos_token").value_or(adds_bos_by_itself);
  const bool adds_eos = file.Boolean("tokenizer.ggml.add_eos_token").value_or(false);
  if (!adds_bos && !adds_eos) return ordered_json();
  ordered_json single = ordered_json::array();
  ordered_json special = ordered_json::object();
  const auto add = [&](absl::string_view role) -> absl::Status {
    const std::string text = TokenText(file, role);
    if (text.empty()) return Malformed(file, absl::StrCat("it adds a token that it does not have: ", role));
    const auto id = *file.Integer(absl::StrCat("tokenizer.ggml.", role, "_token_id"));
    single.push_back(TemplatePiece("SpecialToken", text));
    special[text] = {{"id", text}, {"ids", {id}}, {"tokens", {text}}};
    return absl::OkStatus();
  };
  if (adds_bos) PIVOT_RETURN_IF_ERROR(add("bos"));
  single.push_back(TemplatePiece("Sequence", "A"));
  if (adds_eos) PIVOT_RETURN_IF_ERROR(add("eos"));
  return ordered_json{{"type", "TemplateProcessing"},
                      {"single", std::move(single)},
                      {"pair", ordered_json::array({TemplatePiece("Sequence", "A"), TemplatePiece("Sequence", "B")})},
                      {"special_tokens", std::move(special)}};
}

/// model.vocab and added_tokens.
absl::StatusOr<std::pair<ordered_json, ordered_json>> Vocabulary(const GgufFile& file) {
  const auto* tokens = file.Texts("tokenizer.ggml.tokens");
  const auto* kinds = file.Integers("tokenizer.ggml.token_type");
  if (tokens == nullptr || (kinds != nullptr && kinds->size() != tokens->size()))
    return Malformed(file, "its lists of tokens and of their types do not fit each other");
  ordered_json vocabulary = ordered_json::object();
  ordered_json added = ordered_json::array();
  // An ordered object looks for a key from its beginning; the list beneath it does not.
  auto& entries = vocabulary.get_ref<ordered_json::object_t&>();
  entries.reserve(tokens->size());
  for (size_t id = 0; id < tokens->size(); ++id) {
    const int64_t kind = kinds == nullptr ? kNormalToken : (*kinds)[id];
    if (kind == kUnusedToken) continue;
    entries.emplace_back(std::string((*tokens)[id]), id);
    if (kind == kControlToken || kind == kUserToken)
      added.push_back(AddedToken(id, (*tokens)[id], kind == kControlToken));
  }
  return std::pair(std::move(vocabulary), std::move(added));
}

ordered_json MergesOf(const GgufFile& file) {
  ordered_json merges = ordered_json::array();
  if (const auto* texts = file.Texts("tokenizer.ggml.merges"); texts != nullptr) {
    for (const absl::string_view merge : *texts) merges.push_back(std::string(merge));
  }
  return merges;
}

/// Members of tokenizer.json: normalizer, pre_tokenizer, decoder and model, the last without vocab.
using Members = ordered_json;

const GgufPreTokenizer* PreTokenizerOf(const GgufFile& file) {
  return FindGgufPreTokenizer(file.Text("tokenizer.ggml.pre").value_or("default"));
}

/// When the file does not say.
bool AddsBosByItself(const GgufFile& file) {
  if (file.Text("tokenizer.ggml.model") == "llama") return true;
  const GgufPreTokenizer* pre_tokenizer = PreTokenizerOf(file);
  return pre_tokenizer != nullptr && pre_tokenizer->adds_bos;
}

/// Of a byte-level BPE.
absl::StatusOr<Members> BytesJson(const GgufFile& file) {
  const GgufPreTokenizer* pre_tokenizer = PreTokenizerOf(file);
  if (pre_tokenizer == nullptr) {
    return Unsupported(file, absl::StrCat("the pre-tokenizer \"", file.Text("tokenizer.ggml.pre").value_or("default"),
                                          "\"; known are ", GgufPreTokenizerNames()));
  }
  ordered_json normalizer;
  if (!pre_tokenizer->normalizer.empty()) normalizer = {{"type", pre_tokenizer->normalizer}};
  return Members{
      {"normalizer", std::move(normalizer)},
      {"pre_tokenizer", ordered_json(pre_tokenizer->pre_tokenizer)},
      {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"ignore_merges", pre_tokenizer->ignores_merges},
        {"merges", MergesOf(file)}}}};
}

/// What is special to the kind of vocabulary.
absl::StatusOr<Members> MembersOf(const GgufFile& file) {
  const absl::string_view model = file.Text("tokenizer.ggml.model").value_or("none");
  if (model == "llama") return PiecesJson(file);
  if (model == "gpt2") return BytesJson(file);
  return Unsupported(file, absl::StrCat("a vocabulary of the kind \"", model,
                                        "\"; read are byte-level BPE (gpt2) and SentencePiece's (llama)"));
}

}  // namespace

absl::StatusOr<std::string> TokenizerJsonOf(const GgufFile& file) {
  PIVOT_ASSIGN_OR_RETURN(Members members, MembersOf(file));
  PIVOT_ASSIGN_OR_RETURN(auto vocabulary, Vocabulary(file));
  PIVOT_ASSIGN_OR_RETURN(ordered_json post_processor, PostProcessor(file, AddsBosByItself(file)));
  ordered_json bpe = std::move(members["model"]);
  bpe["vocab"] = std::move(vocabulary.first);
  const ordered_json document{{"version", "1.0"},
                              {"truncation", nullptr},
                              {"padding", nullptr},
                              {"added_tokens", std::move(vocabulary.second)},
                              {"normalizer", std::move(members["normalizer"])},
                              {"pre_tokenizer", std::move(members["pre_tokenizer"])},
                              {"post_processor", std::move(post_processor)},
                              {"decoder", std::move(members["decoder"])},
                              {"model", std::move(bpe)}};
  return document.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

absl::StatusOr<std::string> TokenizerConfigJsonOf(const GgufFile& file) {
  ordered_json config{{"add_prefix_space", false}, {"clean_up_tokenization_spaces", false}};
  constexpr std::array<std::pair<const char*, absl::string_view>, 4> kRoles = {
      {{"bos_token", "bos"}, {"eos_token", "eos"}, {"pad_token", "padding"}, {"unk_token", "unknown"}}};
  for (const auto& [name, role] : kRoles) {
    if (std::string text = TokenText(file, role); !text.empty()) config[name] = std::move(text);
  }
  if (const auto chat = file.Text("tokenizer.chat_template"); chat.has_value())
    config["chat_template"] = std::string(*chat);
  const std::string architecture(file.Text("general.architecture").value_or(""));
  if (const auto length = file.Integer(architecture + ".context_length"); length.has_value())
    config["model_max_length"] = *length;
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  return config.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace pivot
