// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/row_forms.h"

#include <ATen/ATen.h>

#include "gtest/gtest.h"

namespace pivot {
namespace {

/// Of [rows, in] with a symmetric moment.
at::Tensor FormsInDouble(const at::Tensor& rows, const at::Tensor& moment) {
  return (at::mm(rows.to(at::kDouble), moment.to(at::kDouble)) * rows.to(at::kDouble)).sum(1);
}

class SymmetricFormsTest : public ::testing::TestWithParam<int64_t> {
 protected:
  SymmetricFormsTest() {
    at::manual_seed(static_cast<uint64_t>(GetParam()));
    const at::Tensor inputs = at::randn({GetParam() + 5, GetParam()}) + at::randn({GetParam() + 5, 1});
    moment = at::mm(inputs.t(), inputs);
    rows = at::randn({7, GetParam()});
  }
  at::Tensor moment, rows;
};

TEST_P(SymmetricFormsTest, EqualTheWholeProductInDoublePrecision) {
  const at::Tensor expected = FormsInDouble(rows, moment);
  // Twice what fp32 makes of the whole product, and a millionth for a form that comes out exact.
  const at::Tensor whole = (at::mm(rows, moment) * rows).sum(1, /*keepdim=*/false, at::kDouble);
  const double bound = 2 * (whole - expected).abs().max().item<double>() + 1e-6 * expected.max().item<double>();
  EXPECT_LE((SymmetricForms(rows, moment, FormDigits::kFull) - expected).abs().max().item<double>(), bound);
}

TEST_P(SymmetricFormsTest, NoticesAnElementThatIsOffByATenth) {
  const at::Tensor before = SymmetricForms(rows, moment, FormDigits::kFull);
  moment[0][GetParam() - 1] *= 1.1;
  EXPECT_TRUE(SymmetricForms(rows, moment, FormDigits::kFull).ne(before).all().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(Columns, SymmetricFormsTest, ::testing::Values(1, 1024, 1025, 2100),
                         [](const auto& test) { return "columns" + std::to_string(test.param); });

}  // namespace
}  // namespace pivot
