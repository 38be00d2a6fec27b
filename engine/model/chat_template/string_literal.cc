// SPDX-License-Identifier: Apache-2.0
#include "engine/model/chat_template/string_literal.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "engine/model/tokenizer/utf8.h"
#include "proto/status/status_macros.h"

namespace pivot::chat {
namespace {

constexpr size_t kMaxOctalDigits = 3;

absl::Status Append(uint32_t code_point, std::string* text) {
  if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF))
    return absl::InvalidArgumentError("an escape in a string is no character");
  tokenizer::AppendUtf8(static_cast<char32_t>(code_point), text);
  return absl::OkStatus();
}

/// Takes `digits` hexadecimal digits.
absl::Status AppendHex(size_t digits, absl::string_view* rest, std::string* text) {
  uint32_t code_point = 0;
  if (rest->size() < digits || !absl::SimpleHexAtoi(rest->substr(0, digits), &code_point) ||
      !absl::ascii_isxdigit(static_cast<unsigned char>(rest->front())))
    return absl::InvalidArgumentError(absl::StrCat("an escape in a string lacks its ", digits, " hexadecimal digits"));
  rest->remove_prefix(digits);
  return Append(code_point, text);
}

absl::Status AppendOctal(absl::string_view* rest, std::string* text) {
  uint32_t code_point = 0;
  for (size_t i = 0; i < kMaxOctalDigits && !rest->empty() && rest->front() >= '0' && rest->front() <= '7'; ++i) {
    code_point = code_point * 8 + static_cast<uint32_t>(rest->front() - '0');
    rest->remove_prefix(1);
  }
  return Append(code_point, text);
}

/// What follows a backslash; `rest` begins with it.
absl::Status AppendEscape(absl::string_view* rest, std::string* text) {
  constexpr absl::string_view kNames = "ntr\\'\"abfv";
  constexpr absl::string_view kCharacters = "\n\t\r\\'\"\a\b\f\v";
  const char name = rest->front();
  if (name >= '0' && name <= '7') return AppendOctal(rest, text);
  if (name == 'N') return absl::InvalidArgumentError("\\N{...} in a string is not supported");
  rest->remove_prefix(1);
  if (name == 'x') return AppendHex(2, rest, text);
  if (name == 'u') return AppendHex(4, rest, text);
  if (name == 'U') return AppendHex(8, rest, text);
  if (name == '\n') return absl::OkStatus();
  const size_t place = kNames.find(name);
  if (place == kNames.npos) {
    text->push_back('\\');
    text->push_back(name);
  } else {
    text->push_back(kCharacters[place]);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> Unescape(absl::string_view rest) {
  std::string text;
  while (!rest.empty()) {
    const char byte = rest.front();
    if (byte == '\\' && rest.size() > 1) {
      rest.remove_prefix(1);
      PIVOT_RETURN_IF_ERROR(AppendEscape(&rest, &text));
      continue;
    }
    text.push_back(byte);
    rest.remove_prefix(1);
  }
  return text;
}

}  // namespace pivot::chat
