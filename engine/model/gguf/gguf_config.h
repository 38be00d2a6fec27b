// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_GGUF_GGUF_CONFIG_H_
#define PIVOT_ENGINE_MODEL_GGUF_GGUF_CONFIG_H_

// config.json and generation_config.json, as transformers have them, of a model in a GGUF file.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/model/gguf/gguf_file.h"
#include "engine/model/model_config.h"

namespace pivot {

/// config.json. Where linears of decoder blocks are quantized it has a "quantization_config" of the method "gguf",
/// whose "modules" name the type of each. Errors: UNSUPPORTED_ARCHITECTURE for a family or a part of one that is not
/// read, naming it; UNSUPPORTED_CHECKPOINT for one file of several; MALFORMED_WEIGHTS when a value or tensor is
/// missing.
absl::StatusOr<std::string> GgufConfigJson(const GgufFile& file);

/// The ids of the tokens that begin, end and fill a text.
std::string GgufGenerationConfigJson(const GgufFile& file);

/// The decimal with the fewest digits that is this float32: 1e-05 for 9.99999974737875e-06.
double ShortestDecimal(double float32);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_GGUF_GGUF_CONFIG_H_
