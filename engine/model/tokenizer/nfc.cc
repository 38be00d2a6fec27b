// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/nfc.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utf8proc.h>

#include "absl/status/status.h"

#include "engine/model/tokenizer/unicode.h"
#include "engine/model/tokenizer/utf8.h"
#include "proto/status/status_macros.h"

namespace pivot::tokenizer {
namespace {

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

/// `text` holds no U+0000, which ends a text for utf8proc.
absl::Status AppendNfc(absl::string_view text, std::string* result) {
  if (text.empty()) return absl::OkStatus();
  const std::string terminated(text);
  const std::unique_ptr<utf8proc_uint8_t, Free> normalized(
      utf8proc_NFC(reinterpret_cast<const utf8proc_uint8_t*>(terminated.c_str())));
  if (normalized == nullptr) return absl::ResourceExhaustedError("there is no memory to normalize the text");
  result->append(reinterpret_cast<const char*>(normalized.get()));
  return absl::OkStatus();
}

}  // namespace

bool IsPlainlyNfc(absl::string_view text) {
  // Below U+0300 nothing combines, and all characters are composed. U+0300 begins with the byte CC.
  return std::all_of(text.begin(), text.end(), [](char byte) { return static_cast<uint8_t>(byte) < 0xCC; });
}

absl::StatusOr<std::string> ToNfc(absl::string_view text) {
  // A character that the older data do not know neither moves nor composes: what stands around it is normalized by
  // itself.
  std::string result;
  size_t span_begin = 0;
  for (size_t offset = 0; offset < text.size();) {
    const Character character = CharacterAt(text, offset);
    if (character.code_point == 0 || IsInertForNfc(character.code_point)) {
      PIVOT_RETURN_IF_ERROR(AppendNfc(text.substr(span_begin, offset - span_begin), &result));
      result.append(text.data() + offset, character.num_bytes);
      span_begin = offset + character.num_bytes;
    }
    offset += character.num_bytes;
  }
  PIVOT_RETURN_IF_ERROR(AppendNfc(text.substr(span_begin), &result));
  return result;
}

}  // namespace pivot::tokenizer
