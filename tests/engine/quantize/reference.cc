// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/quantize/reference.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <cmath>
#include <vector>

namespace pivot {

at::Tensor QuantizeByBrainSurgery(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& hessian,
                                  const at::Tensor& order, int bits) {
  at::Tensor w = weight.to(at::kDouble).clone();
  const at::Tensor h = hessian.to(at::kDouble);
  const at::Tensor s = scale.to(at::kDouble);
  at::Tensor codes = at::zeros(w.sizes(), at::kLong);
  const double lowest = -std::pow(2.0, bits - 1);
  const int64_t group_size = w.size(1) / s.size(1);
  for (int64_t step = 0; step < order.size(0); ++step) {
    const at::Tensor left = order.slice(0, step);
    const at::Tensor inverse = at::inverse(h.index_select(0, left).index_select(1, left));
    const int64_t column = order[step].item<int64_t>();
    const at::Tensor column_scale = s.select(1, column / group_size);
    const at::Tensor code = (w.select(1, column) / column_scale).round().clamp(lowest, -lowest - 1);
    codes.select(1, column).copy_(code.to(at::kLong));
    const at::Tensor error = (w.select(1, column) - code * column_scale) / inverse[0][0];
    w.index_add_(1, left, -at::outer(error, inverse[0]));
  }
  return codes;
}

at::Tensor PropagateByInverse(const at::Tensor& weight, const at::Tensor& hessian, const at::Tensor& cross,
                              double alpha, double damp) {
  const at::Tensor w = weight.to(at::kDouble);
  const at::Tensor h = hessian.to(at::kDouble) + damp * at::eye(hessian.size(0), at::kDouble);
  return w + alpha * at::mm(at::mm(w, cross.to(at::kDouble)), at::inverse(h));
}

at::Tensor CorrelatedInputs(int64_t tokens, int64_t features, int64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(seed));
  const at::Tensor mixing = at::randn({features, features}, generator) / std::sqrt(static_cast<double>(features));
  const at::Tensor strength = at::linspace(-2, 2, features).exp();
  return at::mm(at::randn({tokens, features}, generator) * strength, mixing + 0.3 * at::eye(features));
}

at::Tensor Moment(const at::Tensor& x, const at::Tensor& y) {
  return at::mm(x.to(at::kDouble).t(), y.to(at::kDouble)) * (2.0 / static_cast<double>(x.size(0)));
}

}  // namespace pivot
