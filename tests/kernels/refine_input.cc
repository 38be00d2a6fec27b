// SPDX-License-Identifier: Apache-2.0
#include "tests/kernels/refine_input.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "gtest/gtest.h"

namespace pivot {
namespace {

std::vector<float> MakeHessian(int64_t n, std::mt19937& generator) {
  std::normal_distribution<float> normal;
  std::vector<float> tokens(static_cast<size_t>(4 * n * n));
  for (int64_t t = 0; t < 4 * n; ++t) {
    const float shared = normal(generator);
    for (int64_t c = 0; c < n; ++c) tokens[Index(t, c, n)] = normal(generator) + 0.7F * shared;
  }
  std::vector<float> hessian;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = i == j ? 0.01 : 0;
      for (int64_t t = 0; t < 4 * n; ++t) sum += static_cast<double>(tokens[Index(t, i, n)]) * tokens[Index(t, j, n)];
      hessian.push_back(static_cast<float>(sum / static_cast<double>(4 * n)));
    }
  }
  return hessian;
}

double ZeroPointOf(const RefineVectors& state, int64_t row) {
  return state.zero_point.empty() ? 0.0 : state.zero_point[static_cast<size_t>(row)];
}

/// w - v
std::vector<double> ErrorOf(const RefineCase& shape, const RefineInput& input, const RefineVectors& state,
                            int64_t row) {
  std::vector<double> error;
  for (int64_t c = 0; c < shape.columns; ++c) {
    const size_t index = Index(row, c, shape.columns);
    error.push_back(input.weight[index] - static_cast<double>(state.scale[static_cast<size_t>(row)]) *
                                              (state.codes[index] - ZeroPointOf(state, row)));
  }
  return error;
}

template <typename T>
std::vector<T> Spread(const std::vector<T>& values, int64_t columns, int64_t padding) {
  std::vector<T> spread;
  for (size_t first = 0; first < values.size(); first += static_cast<size_t>(columns)) {
    spread.insert(spread.end(), values.begin() + static_cast<int64_t>(first),
                  values.begin() + static_cast<int64_t>(first) + columns);
    spread.insert(spread.end(), static_cast<size_t>(padding), T{77});
  }
  return spread;
}

template <typename T>
std::vector<T> Gather(const std::vector<T>& spread, int64_t columns, int64_t padding, T between) {
  std::vector<T> values;
  for (size_t i = 0; i < spread.size(); ++i) {
    if (i % static_cast<size_t>(columns + padding) < static_cast<size_t>(columns)) {
      values.push_back(spread[i]);
    } else {
      EXPECT_EQ(spread[i], between);
    }
  }
  return values;
}

}  // namespace

std::vector<RefineCase> RefineCases() {
  std::vector<RefineCase> cases;
  for (const TestDevice device : TestDevices()) {
    for (const int bits : {2, 3, 4, 8}) cases.push_back({device, 21, bits == 8 ? 32 : 64, bits});
    cases.push_back({device, 9, 128, 3});
    cases.push_back({device, 1, 1, 4});
    cases.push_back({device, 8, 33, 3});
    cases.push_back({device, 17, 64, 3, /*padding=*/8});
    cases.push_back({device, 6, 52, 4, /*padding=*/3});
    cases.push_back({device, 21, 64, 3, /*padding=*/4, /*has_zero_points=*/true});
    cases.push_back({device, 5, 35, 4, /*padding=*/0, /*has_zero_points=*/true});
  }
  return cases;
}

std::string RefineLabel(const RefineCase& shape) {
  return DeviceLabel(shape.device) + "_" + std::to_string(shape.rows) + "x" + std::to_string(shape.columns) + "_bits" +
         std::to_string(shape.bits) + (shape.padding > 0 ? "_padding" + std::to_string(shape.padding) : "") +
         (shape.has_zero_points ? "_zero_points" : "");
}

RefineInput MakeInput(const RefineCase& shape, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  const int64_t n = shape.columns;
  const double limit = std::exp2(shape.bits - 1);
  RefineInput input;
  input.start.hessian = MakeHessian(n, generator);
  for (int64_t row = 0; row < shape.rows; ++row) {
    input.start.scale.push_back((row % 2 == 0 ? 1.0F : -1.0F) * (1.5F / static_cast<float>(limit)));
    if (shape.has_zero_points) input.start.zero_point.push_back(static_cast<int8_t>(row % 3 - 1));
    const double scale = input.start.scale.back();
    for (int64_t c = 0; c < n; ++c) {
      double weight = normal(generator);
      const double zero_point = ZeroPointOf(input.start, row);
      const double code = std::clamp(std::nearbyint(weight / scale) + zero_point, -limit, limit - 1);
      if (row == 0) weight = (code - zero_point) * scale;
      input.weight.push_back(weight);
      input.start.codes.push_back(static_cast<int8_t>(code));
    }
  }
  for (int64_t row = 0; row < shape.rows; ++row) {
    const std::vector<double> error = ErrorOf(shape, input, input.start, row);
    for (int64_t c = 0; c < n; ++c) {
      double sum = 0;
      for (int64_t k = 0; k < n; ++k) sum += error[static_cast<size_t>(k)] * input.start.hessian[Index(k, c, n)];
      input.start.gradient.push_back(static_cast<float>(sum));
    }
  }
  return input;
}

RefineVectors RunRefine(const RefineCase& shape, const RefineVectors& start, int scale_digits) {
  const int64_t n = shape.columns;
  const int64_t padding = shape.padding;
  RefineGroup group;
  group.rows = shape.rows;
  group.columns = n;
  group.bits = shape.bits;
  group.scale_digits = scale_digits;
  group.hessian_stride = group.gradient_stride = group.code_stride = group.change_stride = n + padding;
  group.scale_stride = group.zero_point_stride = 1 + padding;
  RefineVectors end = RefineOn(shape.device, group,
                               {.hessian = Spread(start.hessian, n, padding),
                                .gradient = Spread(start.gradient, n, padding),
                                .scale = Spread(start.scale, 1, padding),
                                .zero_point = Spread(start.zero_point, 1, padding),
                                .codes = Spread(start.codes, n, padding),
                                .change = {}});
  RefineVectors result = start;
  result.scale = Gather(end.scale, 1, padding, 77.0F);
  result.codes = Gather(end.codes, n, padding, int8_t{77});
  result.change = Gather(end.change, n, padding, 0.0F);
  return result;
}

double LossOf(const RefineCase& shape, const RefineInput& input, const RefineVectors& state, int64_t row) {
  const int64_t n = shape.columns;
  const std::vector<double> error = ErrorOf(shape, input, state, row);
  double loss = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j)
      loss += error[static_cast<size_t>(i)] * state.hessian[Index(i, j, n)] * error[static_cast<size_t>(j)];
  }
  return loss;
}

int64_t SweepInDouble(const RefineCase& shape, const RefineInput& input, int64_t row, RefineVectors& state) {
  const auto limit = static_cast<int>(std::exp2(shape.bits - 1));
  for (int64_t c = 0; c < shape.columns; ++c) {
    int8_t& code = state.codes[Index(row, c, shape.columns)];
    std::vector<std::pair<double, int>> tried;
    for (int value = -limit; value < limit; ++value) {
      code = static_cast<int8_t>(value);
      tried.emplace_back(LossOf(shape, input, state, row), value);
    }
    std::sort(tried.begin(), tried.end());
    code = static_cast<int8_t>(tried[0].second);
    const double scale = state.scale[static_cast<size_t>(row)];
    const double step_loss = scale * scale * state.hessian[Index(c, c, shape.columns)];
    if (tried[1].first - tried[0].first < 1e-3 * step_loss) return c;
  }
  return shape.columns;
}

}  // namespace pivot
