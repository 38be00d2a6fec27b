// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/tokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/component.h"
#include "engine/model/tokenizer/json_parts.h"
#include "engine/model/tokenizer/sentence_piece_model.h"
#include "engine/model/tokenizer/sentence_piece_parts.h"
#include "engine/model/tokenizer/tokenizer_parts.h"
#include "engine/model/tokenizer/utf8.h"
#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr size_t kMaxFileBytes = size_t{256} << 20U;
constexpr size_t kMaxTextBytes = (size_t{1} << 30U) - 1;

/// The id of the piece with this name, else that of the model itself; none if that is negative.
absl::StatusOr<std::vector<int32_t>> FindPiece(const tokenizer::SentencePieceModel& model, absl::string_view name,
                                               int32_t id_of_model) {
  const auto num_pieces = static_cast<int32_t>(model.pieces.size());
  if (name.empty()) {
    if (id_of_model < 0) return std::vector<int32_t>();
    if (id_of_model < num_pieces) return std::vector<int32_t>{id_of_model};
    return tokenizer::MalformedModel(absl::StrCat("it has no piece ", id_of_model, ", which it puts around texts"));
  }
  for (int32_t id = 0; id < num_pieces; ++id) {
    if (model.pieces[static_cast<size_t>(id)] == name) return std::vector<int32_t>{id};
  }
  return tokenizer::MalformedModel(absl::StrCat("it has no piece ", tokenizer::Quoted(name)));
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<const tokenizer::TokenizerParts> parts) : parts_(std::move(parts)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

absl::StatusOr<Tokenizer> Tokenizer::FromFile(const std::string& path) {
  PIVOT_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path, kMaxFileBytes));
  return FromJson(text);
}

absl::StatusOr<Tokenizer> Tokenizer::FromJson(absl::string_view tokenizer_json) {
  if (tokenizer_json.size() > kMaxFileBytes) return tokenizer::Malformed("larger than 256 MiB");
  PIVOT_ASSIGN_OR_RETURN(auto parts, tokenizer::ReadJsonParts(tokenizer_json));
  return Tokenizer(std::move(parts));
}

absl::StatusOr<Tokenizer> Tokenizer::FromSentencePiece(absl::string_view model, const SentencePieceAround& around) {
  PIVOT_ASSIGN_OR_RETURN(const auto content, tokenizer::ParseSentencePieceModel(model));
  std::vector<int32_t> first;
  std::vector<int32_t> last;
  if (around.adds_first) {
    PIVOT_ASSIGN_OR_RETURN(first, FindPiece(content, around.first, content.bos_id));
  }
  if (around.adds_last) {
    PIVOT_ASSIGN_OR_RETURN(last, FindPiece(content, around.last, content.eos_id));
  }
  PIVOT_ASSIGN_OR_RETURN(auto parts, tokenizer::MakeSentencePieceParts(content, std::move(first), std::move(last)));
  return Tokenizer(std::move(parts));
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::Encode(absl::string_view utf8_text, SpecialTokens special) const {
  if (utf8_text.size() > kMaxTextBytes) return absl::InvalidArgumentError("the text has 1 GiB or more");
  if (const auto offset = tokenizer::FindInvalidUtf8(utf8_text)) {
    return absl::InvalidArgumentError(absl::StrCat("the text is not valid UTF-8 at byte ", *offset));
  }
  std::vector<int32_t> ids;
  std::unique_ptr<tokenizer::Scratch> scratch = parts_->scratch_pool.Take();
  absl::Status status = parts_->Encode(utf8_text, scratch.get(), &ids);
  parts_->scratch_pool.GiveBack(std::move(scratch));
  if (!status.ok()) return status;
  return parts_->post_processor.Apply(std::move(ids), special == SpecialTokens::kAdd
                                                          ? tokenizer::TemplateTokens::kAdd
                                                          : tokenizer::TemplateTokens::kOmit);
}

std::string Tokenizer::Decode(absl::Span<const int32_t> ids, SpecialText special) const {
  using Special = tokenizer::TokenizerParts::Special;
  return parts_->decoder.Decode(
      parts_->TextsOf(ids, special == SpecialText::kSkip ? Special::kLeftOut : Special::kKept));
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
