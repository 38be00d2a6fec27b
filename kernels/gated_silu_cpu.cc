// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/bf16.h"
#include "kernels/gated_silu.h"

namespace pivot {

void RunGatedSilu(const GatedSiluInput& input, int64_t first, int64_t last) {
  for (int64_t i = first; i < last; ++i) {
    const float gate = Bf16ToFloat(input.gate[i]);
    const float activated = Bf16ToFloat(FloatToBf16(gate / (1.0F + std::exp(-gate))));
    input.out[i] = FloatToBf16(activated * Bf16ToFloat(input.up[i]));
  }
}

}  // namespace pivot
