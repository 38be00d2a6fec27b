// SPDX-License-Identifier: Apache-2.0
#include "engine/model/gguf/gguf_vocabulary.h"

#include <array>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "engine/model/gguf/gguf_pre_tokenizers.h"
#include "engine/model/gguf/gguf_sentence_piece.h"
#include "engine/model/gguf/gguf_tokenizer.h"
#include "engine/model/gguf/gguf_word_list.h"
#include "engine/model/json.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

constexpr char kTokenizer[] = "tokenizer.json";

/// Tokens that stand before and after every text.
struct Around {
  std::optional<std::string> first;
  std::optional<std::string> last;
};

absl::Status ReadPiece(const json& piece, bool& text_was_met, Around& around) {
  if (piece.is_object() && piece.contains("Sequence")) {
    if (std::exchange(text_was_met, true)) return CannotBeGguf("post_processor repeats the text");
    return absl::OkStatus();
  }
  const json special = piece.is_object() ? piece.value("SpecialToken", json()) : json();
  const json id = special.is_object() ? special.value("id", json()) : json();
  std::optional<std::string>& place = text_was_met ? around.last : around.first;
  if (!id.is_string() || place.has_value())
    return CannotBeGguf("post_processor adds more than one token before and one after a text");
  place = id.get<std::string>();
  return absl::OkStatus();
}

absl::Status ReadPostProcessor(const json& component, Around& around) {
  if (component.is_null()) return absl::OkStatus();
  const json type = component.is_object() ? component.value("type", json()) : json();
  if (type == "ByteLevel") return absl::OkStatus();
  if (type == "Sequence") {
    for (const json& part : component.value("processors", json::array()))
      PIVOT_RETURN_IF_ERROR(ReadPostProcessor(part, around));
    return absl::OkStatus();
  }
  if (type != "TemplateProcessing") return CannotBeGguf(absl::StrCat("the post_processor is ", type.dump()));
  bool text_was_met = false;
  for (const json& piece : component.value("single", json::array()))
    PIVOT_RETURN_IF_ERROR(ReadPiece(piece, text_was_met, around));
  return absl::OkStatus();
}

/// The text of a token in tokenizer_config.json: a string, or an object with "content".
std::optional<std::string> ConfiguredToken(const json& config, const char* name) {
  json value = config.is_object() ? config.value(name, json()) : json();
  if (value.is_object()) value = value.value("content", json());
  return value.is_string() ? std::optional(value.get<std::string>()) : std::nullopt;
}

/// The first id under this name in config.json.
std::optional<int64_t> ConfiguredId(const json& config, const std::string& name) {
  json value = config.is_object() ? config.value(name, json()) : json();
  if (value.is_array() && !value.empty()) value = value[0];
  return value.is_number_integer() ? std::optional(value.get<int64_t>()) : std::nullopt;
}

/// An object, or null when the text is empty.
absl::StatusOr<json> ParseOptional(const std::string& text, absl::string_view what) {
  if (text.empty()) return json();
  return ParseJson(text, what);
}

struct Role {
  absl::string_view name;  // "bos": bos_token, bos_token_id
  absl::string_view gguf;
};
constexpr std::array<Role, 4> kRoles = {{{"bos", "bos"}, {"eos", "eos"}, {"unk", "unknown"}, {"pad", "padding"}}};

/// Ids of special tokens, and whether the first and last of them stand around a text.
absl::Status AddSpecialTokens(const TokenizerTexts& texts, const Around& around, const GgufWordList& words,
                              GgufValues& values) {
  PIVOT_ASSIGN_OR_RETURN(const json settings, ParseOptional(texts.tokenizer_config_json, "tokenizer_config.json"));
  PIVOT_ASSIGN_OR_RETURN(const json config, ParseOptional(texts.config_json, "config.json"));
  for (const Role& role : kRoles) {
    auto text = ConfiguredToken(settings, absl::StrCat(role.name, "_token").c_str());
    // What the post-processor does is what counts: llama.cpp takes its first token for the beginning.
    if (role.name == "bos" && around.first.has_value()) text = around.first;
    if (role.name == "eos" && around.last.has_value()) text = around.last;
    auto id = text.has_value() ? words.Find(*text) : ConfiguredId(config, absl::StrCat(role.name, "_token_id"));
    if (!id.has_value() || *id < 0 || *id >= static_cast<int64_t>(words.tokens.size())) continue;
    values.AddInteger(absl::StrCat("tokenizer.ggml.", role.gguf, "_token_id"), static_cast<uint32_t>(*id));
  }
  values.AddBoolean("tokenizer.ggml.add_bos_token", around.first.has_value());
  values.AddBoolean("tokenizer.ggml.add_eos_token", around.last.has_value());
  std::string chat = texts.chat_template;
  const json templates = settings.is_object() ? settings.value("chat_template", json()) : json();
  if (templates.is_string()) chat = templates.get<std::string>();
  if (templates.is_array()) {
    for (const json& named : templates) {
      const bool is_default = named.is_object() && named.value("name", json()) == "default";
      const json text = is_default ? named.value("template", json()) : json();
      if (text.is_string()) chat = text.get<std::string>();
    }
  }
  if (!chat.empty()) values.AddText("tokenizer.chat_template", chat);
  return absl::OkStatus();
}

}  // namespace

absl::Status AddTokenizer(const TokenizerTexts& texts, int64_t vocab_size, GgufValues& values) {
  if (texts.tokenizer_json.empty()) return CannotBeGguf("it is missing, and a GGUF file holds its tokenizer");
  PIVOT_ASSIGN_OR_RETURN(const json tokenizer, ParseJson(texts.tokenizer_json, kTokenizer));
  const json model = tokenizer.is_object() ? tokenizer.value("model", json()) : json();
  if (!model.is_object() || model.value("type", json()) != "BPE") return CannotBeGguf("its model is not BPE");
  const bool is_sentence_piece = model.value("byte_fallback", json()) == json(true);
  const GgufPreTokenizer* pre_tokenizer = is_sentence_piece ? nullptr : MatchGgufPreTokenizer(tokenizer);
  if (!is_sentence_piece && pre_tokenizer == nullptr) {
    return CannotBeGguf(absl::StrCat(
        "GGUF has no name for its way of cutting texts: pre_tokenizer ",
        tokenizer.value("pre_tokenizer", json()).dump(), ", normalizer ", tokenizer.value("normalizer", json()).dump(),
        ", ignore_merges ", model.value("ignore_merges", json(false)).dump(), "; known are ", GgufPreTokenizerNames()));
  }
  Around around;
  PIVOT_RETURN_IF_ERROR(ReadPostProcessor(tokenizer.value("post_processor", json()), around));
  PIVOT_ASSIGN_OR_RETURN(const GgufWordList words, ReadWordList(tokenizer, vocab_size));
  if (is_sentence_piece) {
    PIVOT_RETURN_IF_ERROR(AddSentencePieces(tokenizer, words, values));
  } else {
    values.AddText("tokenizer.ggml.model", "gpt2");
    values.AddText("tokenizer.ggml.pre", pre_tokenizer->names.front());
    values.AddTexts("tokenizer.ggml.tokens", words.tokens);
    values.AddIntegers("tokenizer.ggml.token_type", words.kinds);
    values.AddTexts("tokenizer.ggml.merges", words.merges);
    values.AddBoolean("tokenizer.ggml.add_space_prefix", false);
  }
  return AddSpecialTokens(texts, around, words, values);
}

}  // namespace pivot
