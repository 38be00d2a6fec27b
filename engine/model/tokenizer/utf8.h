// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_UTF8_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_UTF8_H_

// UTF-8: checked once at the border, read without checks inside.

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace pivot::tokenizer {

/// A code point and the number of bytes that hold it.
struct Character {
  char32_t code_point;
  size_t num_bytes;
};

/// Offset of the first byte that no valid character begins at or goes on with; nullopt when `text` is valid UTF-8.
std::optional<size_t> FindInvalidUtf8(absl::string_view text);

/// The character that begins at `offset`. `text` is valid UTF-8 and goes on past `offset`.
Character CharacterAt(absl::string_view text, size_t offset);

/// How many characters there are. `text` is valid UTF-8.
size_t CountCharacters(absl::string_view text);

/// The last character. `text` is valid UTF-8 and not empty.
Character LastCharacter(absl::string_view text);

void AppendUtf8(char32_t code_point, std::string* text);

/// `bytes` with U+FFFD for each longest beginning of a character that does not go on, and for each other stray byte:
/// what Unicode recommends (section 3.9, "maximal subpart") and Rust's from_utf8_lossy does.
std::string ReplaceInvalidUtf8(absl::string_view bytes);

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_UTF8_H_
