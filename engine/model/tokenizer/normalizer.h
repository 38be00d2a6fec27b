// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_NORMALIZER_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_NORMALIZER_H_

// What happens to the text first.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace pivot::tokenizer {

enum class Normalization { kNone, kNfc };

/// Of the file's member "normalizer", which may be null. UNSUPPORTED_TOKENIZER for all but NFC.
absl::StatusOr<Normalization> ReadNormalization(const nlohmann::json* normalizer);

/// The normalized text: `text` itself, or a view of `*storage`.
absl::StatusOr<absl::string_view> Normalize(Normalization normalization, absl::string_view text, std::string* storage);

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_NORMALIZER_H_
