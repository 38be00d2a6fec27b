// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_CALIBRATION_SET_H_
#define PIVOT_ENGINE_CALIBRATION_CALIBRATION_SET_H_

// What a model is calibrated and evaluated on, read from files.

#include <ATen/core/Tensor.h>
#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

#include "engine/calibration/documents.h"
#include "engine/calibration/sampling.h"
#include "engine/calibration/text_windows.h"
#include "engine/model/model_folder.h"
#include "engine/plan/compress_spec.h"

namespace pivot {

struct CalibrationSet {
  std::string name;    // of the file, or "built-in"
  std::string format;  // as Documents has it
  std::string sha256;  // of all that decides the windows besides the spec; of a plain text its own
  at::Tensor windows;  // [num_samples, sequence_length] int64; undefined: nothing was read
  SamplingCounts counts;
};

/// Reads the documents that `spec` names and samples windows of them. Errors: those of ReadDocuments and SampleWindows.
absl::StatusOr<CalibrationSet> ReadCalibrationSet(const CalibrationSpec& spec, const Tokenizer& tokenizer,
                                                  const ModelFolder& model);

/// All documents of a file as one text, for evaluation. Errors: those of ReadDocuments and TokenizeJoined.
absl::StatusOr<TokenizedText> ReadEvaluationText(const std::string& path, const std::string& text_key,
                                                 const Tokenizer& tokenizer, const ModelFolder& model);

/// What report.json says of a set: name, sha256, format, strategy, tokens, tokens_used, distinct_tokens, windows,
/// documents {total, read, kept, dropped}.
nlohmann::ordered_json CalibrationJson(const CalibrationSet& set, const CalibrationSpec& spec);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_CALIBRATION_SET_H_
