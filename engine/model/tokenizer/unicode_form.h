// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_UNICODE_FORM_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_UNICODE_FORM_H_

// Unicode normalization forms, as PyPI `tokenizers` computes them: with the data of Unicode 9.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot::tokenizer {

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

/// Whether the text is in the form already, told from its bytes alone. False says nothing.
bool IsPlainly(UnicodeForm form, absl::string_view text);

/// The text in the form. `text` is valid UTF-8. kResourceExhausted when memory runs out.
///
/// Cost: O(n), with a logarithm of the longest run of combining marks.
absl::StatusOr<std::string> ToForm(UnicodeForm form, absl::string_view text);

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_UNICODE_FORM_H_
