// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PAGE_AXIS_H_
#define PIVOT_ENGINE_PAGE_AXIS_H_

// From values to places on a drawing.

#include <vector>

namespace pivot::page {

enum class Scale {
  kLinear,
  kFromZero,  // linear, and zero is on it
  kLogarithmic,
};

class Axis {
 public:
  /// Reaches over all values, ends at round numbers. Values that are not finite are left out, as are those of a
  /// logarithmic axis that are not positive; of none at all it goes from 0 (or 0.1) to 1.
  Axis(Scale scale, const std::vector<double>& values);

  /// The values at `low` and `high` of the drawing.
  void Place(double low, double high);

  /// Values beyond the ends lie on them.
  double At(double value) const;

  /// Round values between the ends, at most a dozen, ascending.
  std::vector<double> Ticks() const;

  double low() const { return low_; }
  double high() const { return high_; }

 private:
  double Position(double value) const;
  std::vector<double> LogarithmicTicks() const;

  Scale scale_;
  double low_ = 0;
  double high_ = 1;
  double low_place_ = 0;
  double high_place_ = 1;
};

}  // namespace pivot::page

#endif  // PIVOT_ENGINE_PAGE_AXIS_H_
