// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_JSON_PARTS_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_JSON_PARTS_H_

// The parts of a tokenizer, from a tokenizer.json.

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/model/tokenizer/tokenizer_parts.h"

namespace pivot::tokenizer {

/// kInvalidArgument when the text breaks the format, UNSUPPORTED_TOKENIZER when it asks for what is not known.
absl::StatusOr<std::unique_ptr<const TokenizerParts>> ReadJsonParts(absl::string_view tokenizer_json);

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_JSON_PARTS_H_
