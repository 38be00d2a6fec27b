// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/sentence_piece_model.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/component.h"
#include "engine/model/tokenizer/utf8.h"
#include "engine/model/tokenizer/wire_reader.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

using PieceType = SentencePieceModel::PieceType;

constexpr int kLastKind = 4;
constexpr int kLastPieceType = 6;

/// Writes the value where it belongs. False, if it has another type.
template <typename Value, typename Target>
bool Set(std::optional<Value> value, Target* target) {
  if (value.has_value()) *target = *value;
  return value.has_value();
}

absl::Status NoModel() { return MalformedModel("not a model of SentencePiece"); }

absl::Status ReadPiece(absl::string_view message, SentencePieceModel* model) {
  absl::string_view text;
  float score = 0;
  int32_t type = 1;
  WireReader reader(message);
  while (const auto field = reader.Next()) {
    bool is_right = true;
    if (field->number == 1) text = field->bytes;
    if (field->number == 2) is_right = Set(field->AsFloat(), &score);
    if (field->number == 3) is_right = Set(field->AsInteger(), &type);
    if (!is_right) return NoModel();
  }
  const size_t id = model->pieces.size();
  if (reader.failed()) return NoModel();
  if (id == kMaxTokenIds) return MalformedModel(absl::StrCat("more than ", kMaxTokenIds, " pieces"));
  if (text.empty()) return MalformedModel(absl::StrCat("piece ", id, " is empty"));
  if (FindInvalidUtf8(text).has_value()) return MalformedModel(absl::StrCat("piece ", id, " is not valid UTF-8"));
  if (!std::isfinite(score)) return MalformedModel(absl::StrCat("piece ", id, " has a score that is not finite"));
  if (type < 1 || type > kLastPieceType)
    return MalformedModel(absl::StrCat("piece ", id, " has the unknown type ", type));
  model->pieces.Add(text);
  model->scores.push_back(score);
  model->types.push_back(static_cast<PieceType>(type));
  return absl::OkStatus();
}

absl::Status ReadTrainer(absl::string_view message, SentencePieceModel* model) {
  int32_t kind = static_cast<int32_t>(model->kind);
  WireReader reader(message);
  while (const auto field = reader.Next()) {
    bool is_right = true;
    if (field->number == 3) is_right = Set(field->AsInteger(), &kind);
    if (field->number == 24) is_right = Set(field->AsBoolean(), &model->space_is_suffix);
    if (field->number == 35) is_right = Set(field->AsBoolean(), &model->spells_unknown);
    if (field->number == 41) is_right = Set(field->AsInteger(), &model->bos_id);
    if (field->number == 42) is_right = Set(field->AsInteger(), &model->eos_id);
    if (!is_right) return NoModel();
  }
  if (reader.failed()) return NoModel();
  if (kind < 1 || kind > kLastKind) return MalformedModel(absl::StrCat("it has the unknown type ", kind));
  model->kind = static_cast<SentencePieceModel::Kind>(kind);
  return absl::OkStatus();
}

absl::Status ReadNormalizer(absl::string_view message, SentencePieceModel* model) {
  WireReader reader(message);
  while (const auto field = reader.Next()) {
    bool is_right = true;
    if (field->number == 2) model->charsmap = std::string(field->bytes);
    if (field->number == 3) is_right = Set(field->AsBoolean(), &model->adds_dummy_prefix);
    if (field->number == 4) is_right = Set(field->AsBoolean(), &model->removes_extra_spaces);
    if (field->number == 5) is_right = Set(field->AsBoolean(), &model->escapes_spaces);
    if (!is_right) return NoModel();
  }
  return reader.failed() ? NoModel() : absl::OkStatus();
}

absl::Status FindUnknown(SentencePieceModel* model) {
  const auto first = std::find(model->types.begin(), model->types.end(), PieceType::kUnknown);
  if (first == model->types.end() ||
      std::find(first + 1, model->types.end(), PieceType::kUnknown) != model->types.end())
    return MalformedModel("it must have exactly one piece for what is unknown");
  model->unknown_id = static_cast<int32_t>(first - model->types.begin());
  return absl::OkStatus();
}

}  // namespace

absl::Status MalformedModel(absl::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat("tokenizer.model: ", message));
}

absl::StatusOr<SentencePieceModel> ParseSentencePieceModel(absl::string_view bytes) {
  SentencePieceModel model;
  WireReader reader(bytes);
  while (const auto field = reader.Next()) {
    if (field->number > 3) continue;
    if (field->type != WireField::Type::kBytes) return NoModel();
    if (field->number == 1) PIVOT_RETURN_IF_ERROR(ReadPiece(field->bytes, &model));
    if (field->number == 2) PIVOT_RETURN_IF_ERROR(ReadTrainer(field->bytes, &model));
    if (field->number == 3) PIVOT_RETURN_IF_ERROR(ReadNormalizer(field->bytes, &model));
  }
  if (reader.failed() || model.pieces.size() == 0) return NoModel();
  PIVOT_RETURN_IF_ERROR(FindUnknown(&model));
  return model;
}

}  // namespace pivot::tokenizer
