// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/component.h"

#include "absl/strings/str_cat.h"

#include "proto/status/reason.h"

namespace pivot::tokenizer {
namespace {

using nlohmann::json;

absl::Status WrongMember(absl::string_view what, absl::string_view name, absl::string_view expected) {
  return Malformed(absl::StrCat(what, " must have ", Quoted(name), ", which is ", expected));
}

}  // namespace

absl::Status Malformed(absl::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat("tokenizer.json: ", message));
}

absl::Status Unsupported(absl::string_view component) {
  return WithReason(absl::FailedPreconditionError(absl::StrCat("tokenizer.json: ", component, " is not supported")),
                    "UNSUPPORTED_TOKENIZER");
}

std::string Quoted(absl::string_view text) {
  constexpr size_t kMaxQuotedBytes = 80;
  if (text.size() <= kMaxQuotedBytes) return absl::StrCat("\"", text, "\"");
  size_t end = kMaxQuotedBytes;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0U) == 0x80) --end;  // not within a character
  return absl::StrCat("\"", text.substr(0, end), "...\"");
}

const json* FindMember(const json& object, absl::string_view name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(std::string(name));
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

absl::StatusOr<bool> ReadBoolean(const json& object, absl::string_view name, absl::string_view what) {
  const json* member = FindMember(object, name);
  if (member == nullptr || !member->is_boolean()) return WrongMember(what, name, "true or false");
  return member->get<bool>();
}

absl::StatusOr<std::string> ReadText(const json& object, absl::string_view name, absl::string_view what) {
  const json* member = FindMember(object, name);
  if (member == nullptr || !member->is_string()) return WrongMember(what, name, "a string");
  return member->get<std::string>();
}

absl::StatusOr<const json*> ReadArray(const json& object, absl::string_view name, absl::string_view what) {
  const json* member = FindMember(object, name);
  if (member == nullptr || !member->is_array()) return WrongMember(what, name, "a list");
  return member;
}

absl::StatusOr<int32_t> ReadTokenId(const json& value, absl::string_view what) {
  if (!value.is_number_integer() || value < 0 || value >= kMaxTokenIds) {
    return Malformed(absl::StrCat(what, " must have an id from 0 to ", kMaxTokenIds - 1));
  }
  return value.get<int32_t>();
}

absl::StatusOr<std::string> ReadType(const json& component, absl::string_view what) {
  return ReadText(component, "type", what);
}

}  // namespace pivot::tokenizer
