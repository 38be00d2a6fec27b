// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_NFC_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_NFC_H_

// Unicode normalization form C, as PyPI `tokenizers` computes it: with the data of Unicode 9.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot::tokenizer {

/// Whether the text is in form C already, told from its bytes alone. False says nothing.
bool IsPlainlyNfc(absl::string_view text);

/// The text in form C. `text` is valid UTF-8. kResourceExhausted when memory runs out.
absl::StatusOr<std::string> ToNfc(absl::string_view text);

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_NFC_H_
