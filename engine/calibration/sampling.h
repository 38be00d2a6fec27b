// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_SAMPLING_H_
#define PIVOT_ENGINE_CALIBRATION_SAMPLING_H_

// The windows of tokens that a model is calibrated on, out of documents.

#include <ATen/core/Tensor.h>
#include <array>
#include <cstdint>

#include "absl/status/statusor.h"

#include "engine/calibration/documents.h"
#include "engine/calibration/quality_filter.h"
#include "engine/model/tokenizer/tokenizer.h"
#include "engine/plan/compress_spec.h"

namespace pivot {

/// What became of the documents. Those that were looked at are kept, or dropped for one reason; a strategy that takes a
/// window a document stops at the last one it needs.
struct SamplingCounts {
  int64_t documents = 0;  // in the file
  int64_t read = 0;       // looked at
  int64_t kept = 0;
  int64_t empty = 0;                                            // dropped
  int64_t too_short = 0;                                        // dropped: fewer tokens than a window
  std::array<int64_t, kQualityRuleNames.size()> filtered = {};  // dropped, by QualityRule
  int64_t tokens = 0;                                           // of the documents kept
  int64_t distinct_tokens = 0;                                  // of these, in at least one window
};

struct SampledWindows {
  at::Tensor windows;  // [num_samples, sequence_length] int64
  SamplingCounts counts;
};

/// As the spec's strategy says.
///
/// Source: the strategies are OneComp's (arXiv:2603.28845). kDropRandom draws, for one document after the other,
///         torch.randint(0, tokens - length + 1, (1,)) of one CPU generator; kConcatRandom as RandomWindows.
/// Errors: kInvalidArgument (reason TEXT_TOO_SHORT) when there are fewer windows than asked for, with their number;
///         (reason INVALID_SPEC) for a quality filter of token ids; those of TokenizeJoined.
absl::StatusOr<SampledWindows> SampleWindows(Documents documents, const Tokenizer& tokenizer, int64_t vocab_size,
                                             const CalibrationSpec& spec);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_SAMPLING_H_
