// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_OPS_FAST_PRODUCTS_H_
#define PIVOT_ENGINE_OPS_FAST_PRODUCTS_H_

// Products of matrices where a thousandth does not matter.

#include <ATen/Context.h>

namespace pivot {

/// While it lives, products of fp32 matrices on a GPU round their factors to TF32 (10 bits of fraction); sums stay
/// fp32. Holds for the whole process, and not for two at once. On a CPU nothing changes.
class FastProducts {
 public:
  FastProducts() { at::globalContext().setAllowTF32CuBLAS(true); }
  ~FastProducts() { at::globalContext().setAllowTF32CuBLAS(false); }
  FastProducts(const FastProducts&) = delete;
  FastProducts& operator=(const FastProducts&) = delete;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_OPS_FAST_PRODUCTS_H_
