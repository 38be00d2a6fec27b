// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/row_forms.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <algorithm>
#include <vector>

namespace pivot {
namespace {

// Rows of a product that are in memory at once.
constexpr int64_t kRows = 4096;

/// Products of fp32 matrices on a GPU use TF32 while it lives.
class FastProducts {
 public:
  FastProducts() { at::globalContext().setAllowTF32CuBLAS(true); }
  ~FastProducts() { at::globalContext().setAllowTF32CuBLAS(false); }
  FastProducts(const FastProducts&) = delete;
  FastProducts& operator=(const FastProducts&) = delete;
};

}  // namespace

at::Tensor RowProducts(const at::Tensor& left, const at::Tensor& right) {
  return (left * right).sum(1, /*keepdim=*/false, at::kDouble);
}

at::Tensor RowForms(const at::Tensor& left, const at::Tensor& moment, const at::Tensor& right) {
  const FastProducts fast;
  std::vector<at::Tensor> forms;
  for (int64_t first = 0; first < left.size(0); first += kRows) {
    const int64_t last = std::min(first + kRows, left.size(0));
    forms.push_back(RowProducts(at::mm(left.slice(0, first, last), moment), right.slice(0, first, last)));
  }
  return at::cat(forms);
}

}  // namespace pivot
