// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_EVALUATE_PAIRED_DIFFERENCE_H_
#define PIVOT_ENGINE_EVALUATE_PAIRED_DIFFERENCE_H_

// Whether one model is better than another on the same windows of text, or was only lucky.

#include "absl/types/span.h"

namespace pivot {

struct PairedDifference {
  double mean = 0;        // of after - before
  double half_width = 0;  // of the mean's 95 % confidence interval; infinite for one window

  /// Whether the whole interval is below 0.
  bool is_certain_fall() const { return mean + half_width < 0; }
};

/// Of the values of each window, as many of both, one at least: Student's t interval of the mean difference.
PairedDifference DifferenceOf(absl::Span<const double> before, absl::Span<const double> after);

}  // namespace pivot

#endif  // PIVOT_ENGINE_EVALUATE_PAIRED_DIFFERENCE_H_
