// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_REFINE_DETERMINISTIC_H_
#define PIVOT_ENGINE_REFINE_DETERMINISTIC_H_

#include <ATen/Context.h>

namespace pivot {

/// While one is there ATen takes operations whose sums have one order: gradients of attention on a GPU have others by
/// default, and a job that goes on from its journal would not end with the same bytes. One at a time.
class Deterministic {
 public:
  Deterministic()
      : was_(at::globalContext().deterministicAlgorithms()),
        warned_(at::globalContext().deterministicAlgorithmsWarnOnly()) {
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  }
  ~Deterministic() { at::globalContext().setDeterministicAlgorithms(was_, warned_); }
  Deterministic(const Deterministic&) = delete;
  Deterministic& operator=(const Deterministic&) = delete;

 private:
  bool was_;
  bool warned_;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_REFINE_DETERMINISTIC_H_
