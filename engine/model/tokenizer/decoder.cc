// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/decoder.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "engine/model/tokenizer/component.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

using nlohmann::json;

constexpr int kMaxNesting = 8;
constexpr size_t kMaxSteps = 64;

}  // namespace

absl::StatusOr<Decoder> Decoder::Create(const json* decoder) {
  Decoder result;
  result.joins_with_spaces_ = decoder == nullptr;
  if (decoder != nullptr) PIVOT_RETURN_IF_ERROR(result.Add(*decoder, 0));
  return result;
}

absl::Status Decoder::Add(const json& component, int depth) {
  PIVOT_ASSIGN_OR_RETURN(const std::string type, ReadType(component, "decoder"));
  if (depth > kMaxNesting || steps_.size() > kMaxSteps) return Malformed("the decoder has too many parts");
  if (type != "Sequence") {
    PIVOT_ASSIGN_OR_RETURN(auto step, ReadDecoderStep(component, type));
    steps_.push_back(std::move(step));
    return absl::OkStatus();
  }
  PIVOT_ASSIGN_OR_RETURN(const json* parts, ReadArray(component, "decoders", "the decoder \"Sequence\""));
  for (const json& part : *parts) PIVOT_RETURN_IF_ERROR(Add(part, depth + 1));
  return absl::OkStatus();
}

std::string Decoder::Decode(std::vector<std::string> tokens) const {
  for (const auto& step : steps_) step->Apply(&tokens);
  return absl::StrJoin(tokens, joins_with_spaces_ ? " " : "");
}

}  // namespace pivot::tokenizer
