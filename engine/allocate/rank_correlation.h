// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_ALLOCATE_RANK_CORRELATION_H_
#define PIVOT_ENGINE_ALLOCATE_RANK_CORRELATION_H_

#include "absl/types/span.h"

namespace pivot {

/// Spearman's coefficient, from -1 to 1; equal values share the mean of their ranks. 0 with fewer than three pairs, or
/// when all of one side are equal. Requires as many of one as of the other.
double RankCorrelation(absl::Span<const double> a, absl::Span<const double> b);

}  // namespace pivot

#endif  // PIVOT_ENGINE_ALLOCATE_RANK_CORRELATION_H_
