// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <vector>

#include "kernels/fast_exp.h"
#include "kernels/score_rows.h"
#include "kernels/simd.h"

namespace pivot {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kRun = 1024;

/// Columns padded to whole lanes with the smallest number, whose exponential is 0.
int64_t PaddedColumns(int64_t columns) { return (columns + kLanes - 1) / kLanes * kLanes; }

PIVOT_SIMD void LoadBf16(const uint16_t* row, int64_t columns, float* out) {
  for (int64_t i = 0; i < columns; ++i) out[i] = std::bit_cast<float>(static_cast<uint32_t>(row[i]) << 16);
}

void Load(const ScoreInput& input, const void* logits, int64_t row, std::vector<float>& out) {
  const int64_t first = row * input.columns;
  if (input.is_bf16) {
    LoadBf16(static_cast<const uint16_t*>(logits) + first, input.columns, out.data());
  } else {
    std::copy_n(static_cast<const float*>(logits) + first, input.columns, out.data());
  }
}

PIVOT_SIMD float Largest(const float* row, int64_t padded) {
  std::array<float, kLanes> largest;
  std::copy_n(row, kLanes, largest.data());
  for (int64_t i = kLanes; i < padded; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const auto l = static_cast<size_t>(lane);
      largest[l] = largest[l] < row[i + lane] ? row[i + lane] : largest[l];
    }
  }
  return *std::max_element(largest.begin(), largest.end());
}

PIVOT_SIMD double SumOfExponentials(const float* row, int64_t padded, float largest) {
  double total = 0;
  for (int64_t run = 0; run < padded; run += kRun) {
    std::array<float, kLanes> sums{};
    const int64_t end = std::min(run + kRun, padded);
    for (int64_t i = run; i < end; i += kLanes) {
      for (int64_t lane = 0; lane < kLanes; ++lane) sums[static_cast<size_t>(lane)] += FastExp(row[i + lane] - largest);
    }
    for (const float sum : sums) total += sum;
  }
  return total;
}

struct Moments {
  double sum = 0;       // of exp(t - largest)
  double weighted = 0;  // of exp(t - largest) (t - s)
};

PIVOT_SIMD Moments MomentsOf(const float* reference, const float* model, int64_t padded, float largest) {
  Moments moments;
  for (int64_t run = 0; run < padded; run += kRun) {
    std::array<float, kLanes> sums{};
    std::array<float, kLanes> weighted{};
    const int64_t end = std::min(run + kRun, padded);
    for (int64_t i = run; i < end; i += kLanes) {
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        const float exponential = FastExp(reference[i + lane] - largest);
        sums[static_cast<size_t>(lane)] += exponential;
        weighted[static_cast<size_t>(lane)] += exponential * (reference[i + lane] - model[i + lane]);
      }
    }
    for (const float sum : sums) moments.sum += sum;
    for (const float sum : weighted) moments.weighted += sum;
  }
  return moments;
}

}  // namespace

void RunScoreRows(const ScoreInput& input, int64_t first_row, int64_t last_row) {
  assert(input.columns > 0);
  const int64_t padded = PaddedColumns(input.columns);
  // Finite, so that padding times its exponential of 0 is 0.
  std::vector<float> model(static_cast<size_t>(padded), -1e30F);
  std::vector<float> reference(static_cast<size_t>(padded), -1e30F);
  for (int64_t row = first_row; row < last_row; ++row) {
    const auto target = static_cast<size_t>(input.target[row]);
    Load(input, input.model, row, model);
    const float largest = Largest(model.data(), padded);
    const double normalizer = largest + std::log(SumOfExponentials(model.data(), padded, largest));
    input.model_nll[row] = static_cast<float>(normalizer - model[target]);
    if (input.reference == nullptr) continue;
    Load(input, input.reference, row, reference);
    const float reference_largest = Largest(reference.data(), padded);
    const Moments moments = MomentsOf(reference.data(), model.data(), padded, reference_largest);
    const double reference_normalizer = reference_largest + std::log(moments.sum);
    input.reference_nll[row] = static_cast<float>(reference_normalizer - reference[target]);
    input.kl[row] = static_cast<float>(moments.weighted / moments.sum - reference_normalizer + normalizer);
    const auto top = std::find(model.begin(), model.end(), largest) - model.begin();
    const auto reference_top = std::find(reference.begin(), reference.end(), reference_largest) - reference.begin();
    input.has_same_top[row] = top == reference_top ? 1 : 0;
  }
}

}  // namespace pivot
