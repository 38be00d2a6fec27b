// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/byte_tokens.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"

namespace pivot::tokenizer {
namespace {

constexpr int32_t kNone = -1;

}  // namespace

ByteTokens::ByteTokens(const Vocabulary& vocabulary) {
  for (size_t byte = 0; byte < ids_.size(); ++byte)
    ids_[byte] = vocabulary.Find(absl::StrFormat("<0x%02X>", byte)).value_or(kNone);
}

bool ByteTokens::Knows(absl::string_view bytes) const {
  return std::all_of(bytes.begin(), bytes.end(), [&](char byte) { return IdOf(byte) != kNone; });
}

bool ByteTokens::Append(absl::string_view bytes, std::vector<int32_t>* ids) const {
  if (!Knows(bytes)) return false;
  for (const char byte : bytes) ids->push_back(IdOf(byte));
  return true;
}

std::optional<uint8_t> ByteOfToken(absl::string_view token) {
  if (token.size() != 6 || !absl::StartsWith(token, "<0x") || token.back() != '>') return std::nullopt;
  const absl::string_view digits = token.substr(3, 2);
  const bool are_digits = std::all_of(digits.begin(), digits.end(),
                                      [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); });
  uint32_t byte = 0;
  if (!are_digits || !absl::SimpleHexAtoi(digits, &byte)) return std::nullopt;
  return static_cast<uint8_t>(byte);
}

}  // namespace pivot::tokenizer
