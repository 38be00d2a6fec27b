// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/tokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/added_tokens.h"
#include "engine/model/tokenizer/bpe.h"
#include "engine/model/tokenizer/byte_level.h"
#include "engine/model/tokenizer/component.h"
#include "engine/model/tokenizer/normalizer.h"
#include "engine/model/tokenizer/post_processor.h"
#include "engine/model/tokenizer/pre_tokenizer.h"
#include "engine/model/tokenizer/scratch_pool.h"
#include "engine/model/tokenizer/tokenizer_json.h"
#include "engine/model/tokenizer/utf8.h"
#include "engine/model/tokenizer/vocabulary.h"
#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;
using tokenizer::FindMember;
using tokenizer::Malformed;
using tokenizer::Quoted;
using tokenizer::Unsupported;

constexpr size_t kMaxFileBytes = size_t{256} << 20U;
constexpr size_t kMaxTextBytes = (size_t{1} << 30U) - 1;
constexpr int kMaxDecoderNesting = 8;

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
  return absl::OkStatus();
}

/// Counts the ByteLevel decoders, and refuses others.
absl::StatusOr<int> CountByteLevelDecoders(const json& decoder, int depth) {
  if (depth > kMaxDecoderNesting) return Malformed("the decoder has too many parts");
  PIVOT_ASSIGN_OR_RETURN(const std::string type, tokenizer::ReadType(decoder, "decoder"));
  if (type == "ByteLevel") return 1;
  if (type != "Sequence") return Unsupported(absl::StrCat("the decoder ", Quoted(type)));
  PIVOT_ASSIGN_OR_RETURN(const json* parts, tokenizer::ReadArray(decoder, "decoders", "the decoder \"Sequence\""));
  int count = 0;
  for (const json& part : *parts) {
    PIVOT_ASSIGN_OR_RETURN(const int part_count, CountByteLevelDecoders(part, depth + 1));
    count += part_count;
  }
  return count;
}

absl::Status CheckDecoder(const json* decoder) {
  if (decoder == nullptr) return Unsupported("a file without a decoder");
  PIVOT_ASSIGN_OR_RETURN(const int count, CountByteLevelDecoders(*decoder, 0));
  return count == 1 ? absl::OkStatus() : Unsupported("a decoder without exactly one \"ByteLevel\"");
}

}  // namespace

struct Tokenizer::Parts {
  /// On the heap, since `bpe` points at it.
  std::unique_ptr<const tokenizer::Vocabulary> vocabulary;
  tokenizer::Bpe bpe;
  tokenizer::Normalization normalization;
  tokenizer::AddedTokens added_tokens;
  tokenizer::PreTokenizer pre_tokenizer;
  tokenizer::PostProcessor post_processor;
  mutable tokenizer::ScratchPool scratch_pool;

  absl::Status EncodeText(absl::string_view text, tokenizer::Scratch* scratch, std::vector<int32_t>* ids) const;
  absl::Status EncodeBetweenTokens(absl::string_view text, tokenizer::Scratch* scratch,
                                   std::vector<int32_t>* ids) const;
};

Tokenizer::Tokenizer(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

absl::StatusOr<Tokenizer> Tokenizer::FromFile(const std::string& path) {
  PIVOT_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path, kMaxFileBytes));
  return FromJson(text);
}

absl::StatusOr<Tokenizer> Tokenizer::FromJson(absl::string_view tokenizer_json) {
  if (tokenizer_json.size() > kMaxFileBytes) return Malformed("larger than 256 MiB");
  PIVOT_ASSIGN_OR_RETURN(tokenizer::TokenizerJson content, tokenizer::ParseTokenizerJson(tokenizer_json));
  const json& document = content.document;
  PIVOT_RETURN_IF_ERROR(CheckTopLevel(document));
  const json* model = FindMember(document, "model");
  if (model == nullptr || !model->is_object()) return Malformed("there is no model");
  PIVOT_ASSIGN_OR_RETURN(auto tokens, tokenizer::Vocabulary::Create(std::move(content.tokens), content.token_ids));
  auto vocabulary = std::make_unique<const tokenizer::Vocabulary>(std::move(tokens));
  PIVOT_ASSIGN_OR_RETURN(auto bpe, tokenizer::Bpe::Create(*model, content.merges, *vocabulary));
  PIVOT_ASSIGN_OR_RETURN(auto normalization, tokenizer::ReadNormalization(FindMember(document, "normalizer")));
  PIVOT_ASSIGN_OR_RETURN(auto pre_tokenizer, tokenizer::PreTokenizer::Create(FindMember(document, "pre_tokenizer")));
  PIVOT_ASSIGN_OR_RETURN(auto post_processor, tokenizer::PostProcessor::Create(FindMember(document, "post_processor")));
  PIVOT_RETURN_IF_ERROR(CheckDecoder(FindMember(document, "decoder")));
  PIVOT_ASSIGN_OR_RETURN(auto added_tokens, tokenizer::AddedTokens::Create(FindMember(document, "added_tokens"),
                                                                           *vocabulary, normalization));
  return Tokenizer(std::unique_ptr<const Parts>(new Parts{std::move(vocabulary),
                                                          std::move(bpe),
                                                          normalization,
                                                          std::move(added_tokens),
                                                          std::move(pre_tokenizer),
                                                          std::move(post_processor),
                                                          {}}));
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::Encode(absl::string_view utf8_text, SpecialTokens special) const {
  if (utf8_text.size() > kMaxTextBytes) return absl::InvalidArgumentError("the text has 1 GiB or more");
  if (const auto offset = tokenizer::FindInvalidUtf8(utf8_text)) {
    return absl::InvalidArgumentError(absl::StrCat("the text is not valid UTF-8 at byte ", *offset));
  }
  std::vector<int32_t> ids;
  std::unique_ptr<tokenizer::Scratch> scratch = parts_->scratch_pool.Take();
  absl::Status status = parts_->EncodeText(utf8_text, scratch.get(), &ids);
  parts_->scratch_pool.GiveBack(std::move(scratch));
  if (!status.ok()) return status;
  return parts_->post_processor.Apply(std::move(ids), special == SpecialTokens::kAdd
                                                          ? tokenizer::TemplateTokens::kAdd
                                                          : tokenizer::TemplateTokens::kOmit);
}

absl::Status Tokenizer::Parts::EncodeText(absl::string_view text, tokenizer::Scratch* scratch,
                                          std::vector<int32_t>* ids) const {
  const auto add_id = [&](int32_t id) { ids->push_back(id); };
  const auto encode_part = [&](absl::string_view part) -> absl::Status {
    std::string storage;
    PIVOT_ASSIGN_OR_RETURN(const absl::string_view normalized, tokenizer::Normalize(normalization, part, &storage));
    const auto encode = [&](absl::string_view words) { return EncodeBetweenTokens(words, scratch, ids); };
    return added_tokens.normalized().Split(normalized, encode, add_id);
  };
  return added_tokens.verbatim().Split(text, encode_part, add_id);
}

absl::Status Tokenizer::Parts::EncodeBetweenTokens(absl::string_view text, tokenizer::Scratch* scratch,
                                                   std::vector<int32_t>* ids) const {
  return pre_tokenizer.Split(text, &scratch->regex,
                             [&](absl::string_view word) { bpe.EncodeWord(word, &scratch->bpe, ids); });
}

std::string Tokenizer::Decode(absl::Span<const int32_t> ids, SpecialText special) const {
  std::string bytes;
  for (const int32_t id : ids) {
    const tokenizer::AddedToken* added = parts_->added_tokens.FindById(id);
    if (added != nullptr && added->special && special == SpecialText::kSkip) continue;
    const absl::string_view token =
        added != nullptr ? absl::string_view(added->content) : parts_->vocabulary->TextOf(id).value_or("");
    // A token with a character outside the alphabet is not of the model, and stands for itself.
    const std::optional<std::string> token_bytes = tokenizer::BytesOfToken(token);
    absl::StrAppend(&bytes, token_bytes.has_value() ? *token_bytes : token);
  }
  return tokenizer::ReplaceInvalidUtf8(bytes);
}

int32_t Tokenizer::vocab_size() const { return parts_->vocabulary->size() + parts_->added_tokens.num_new(); }

int32_t Tokenizer::id_limit() const {
  return std::max({parts_->vocabulary->id_limit(), parts_->added_tokens.id_limit(), parts_->post_processor.id_limit()});
}

std::optional<int32_t> Tokenizer::TokenToId(absl::string_view token) const {
  if (const tokenizer::AddedToken* added = parts_->added_tokens.FindByContent(token)) return added->id;
  return parts_->vocabulary->Find(token);
}

}  // namespace pivot
