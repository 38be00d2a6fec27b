// SPDX-License-Identifier: Apache-2.0
#include "engine/format/weight_scheme.h"

#include <algorithm>

namespace pivot {

int64_t AutomaticGroupSize(absl::Span<const int64_t> in_features) {
  for (const int64_t size : {128, 64, 32}) {
    const bool divides =
        std::all_of(in_features.begin(), in_features.end(), [size](int64_t n) { return n % size == 0; });
    if (divides) return size;
  }
  return 0;
}

}  // namespace pivot
