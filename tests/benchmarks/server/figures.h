// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_BENCHMARKS_SERVER_FIGURES_H_
#define PIVOT_TESTS_BENCHMARKS_SERVER_FIGURES_H_

// What a benchmark of the server has measured, and whether it is what it must be.

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace pivot {

/// Times of many equal things. Any thread.
class Latencies {
 public:
  void Add(absl::Duration time);
  size_t size() const;
  /// At a fraction of their order, 0.5 for the median; 0 when there are none.
  double Milliseconds(double fraction) const;

 private:
  mutable std::mutex mutex_;
  std::vector<double> milliseconds_;
};

struct Figure {
  std::string name;  // "create_job.p99"
  double value = 0;
  std::string unit;
  std::optional<double> at_most;
  std::optional<double> at_least;

  bool holds() const {
    return !(at_most.has_value() && value > *at_most) && !(at_least.has_value() && value < *at_least);
  }
};

class Figures {
 public:
  void Add(Figure figure);
  /// The figure as it was last added; 0 when it was not.
  double Value(absl::string_view name) const;

  bool all_hold() const;
  /// {"name": {"value": 1.5, "unit": "ms", "at_most": 2, "holds": true}...}
  std::string Json() const;

 private:
  std::vector<Figure> figures_;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_BENCHMARKS_SERVER_FIGURES_H_
