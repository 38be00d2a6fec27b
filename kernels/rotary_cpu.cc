// SPDX-License-Identifier: Apache-2.0
#include <cassert>

#include "kernels/bf16.h"
#include "kernels/rotary.h"

namespace pivot {
namespace {

float ProductInBf16(float a, float b) { return Bf16ToFloat(FloatToBf16(a * b)); }

void RotateHead(const uint16_t* x, const uint16_t* cosine, const uint16_t* sine, int64_t head_dim, uint16_t* out) {
  const int64_t half = head_dim / 2;
  for (int64_t i = 0; i < head_dim; ++i) {
    const float turned = i < half ? -Bf16ToFloat(x[i + half]) : Bf16ToFloat(x[i - half]);
    out[i] = FloatToBf16(ProductInBf16(Bf16ToFloat(x[i]), Bf16ToFloat(cosine[i])) +
                         ProductInBf16(turned, Bf16ToFloat(sine[i])));
  }
}

}  // namespace

void RunRotary(const RotaryInput& input, int64_t first_token, int64_t last_token) {
  assert(input.head_dim % 2 == 0);
  for (int64_t token = first_token; token < last_token; ++token) {
    const int64_t angle = token % input.length * input.head_dim;
    for (int64_t head = 0; head < input.heads; ++head) {
      RotateHead(input.x + token * input.token_stride + head * input.head_dim, input.cosine + angle, input.sine + angle,
                 input.head_dim, input.out + (token * input.heads + head) * input.head_dim);
    }
  }
}

}  // namespace pivot
