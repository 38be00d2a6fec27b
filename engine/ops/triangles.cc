// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/triangles.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <vector>

#include "engine/ops/tf32_parts.h"

namespace pivot {
namespace {

// Columns of a diagonal block. All blocks are inverted at once, from leaves that are inverted by substitution on.
constexpr int64_t kBlockColumns = 1024;
constexpr int64_t kLeafColumns = 64;
// Strips that a product with a triangle is cut into: with more, less of the zeros beside it is multiplied.
constexpr int64_t kStrips = 8;
constexpr int64_t kLeastStrip = 512;

int64_t StripOf(int64_t size) { return std::max(kLeastStrip, (size + kStrips - 1) / kStrips); }

/// matrix * lower, without the zeros of the triangle.
at::Tensor TimesLower(const at::Tensor& matrix, const at::Tensor& lower) {
  const int64_t size = lower.size(0);
  at::Tensor product = at::empty_like(matrix);
  for (int64_t begin = 0; begin < size; begin += StripOf(size)) {
    const int64_t end = std::min(begin + StripOf(size), size);
    at::Tensor strip = product.slice(1, begin, end);
    at::mm_out(strip, matrix.slice(1, begin), lower.slice(0, begin).slice(1, begin, end));
  }
  return product;
}

/// result = -lower * matrix, without the zeros of the triangle.
void MinusLowerTimes(const at::Tensor& lower, const at::Tensor& matrix, const at::Tensor& result) {
  const int64_t size = lower.size(0);
  for (int64_t begin = 0; begin < size; begin += StripOf(size)) {
    const int64_t end = std::min(begin + StripOf(size), size);
    result.slice(0, begin, end)
        .addmm_(lower.slice(0, begin, end).slice(1, 0, end), matrix.slice(0, 0, end), /*beta=*/0, /*alpha=*/-1);
  }
}

void InvertBySubstitution(const at::Tensor& lower) {
  lower.copy_(at::linalg_solve_triangular(lower, at::eye(lower.size(-1), lower.options()), /*upper=*/false));
}

/// The first `count` blocks of `columns` on the diagonal, [count, columns, columns].
at::Tensor DiagonalBlocks(const at::Tensor& matrix, int64_t columns, int64_t count) {
  const int64_t down = matrix.stride(0);
  const int64_t right = matrix.stride(1);
  return matrix.as_strided({count, columns, columns}, {columns * (down + right), down, right});
}

/// Inverts each block of kBlockColumns on the diagonal, and what is left behind them.
void InvertDiagonal(const at::Tensor& lower) {
  const int64_t size = lower.size(0);
  const int64_t whole = size / kBlockColumns * kBlockColumns;
  if (whole > 0) {
    InvertBySubstitution(DiagonalBlocks(lower, kLeafColumns, whole / kLeafColumns));
    for (int64_t half = kLeafColumns; half < kBlockColumns; half *= 2) {
      const at::Tensor blocks = DiagonalBlocks(lower, 2 * half, whole / (2 * half));
      const at::Tensor first = blocks.slice(1, 0, half).slice(2, 0, half);
      const at::Tensor last = blocks.slice(1, half).slice(2, half);
      const at::Tensor below = blocks.slice(1, half).slice(2, 0, half);
      below.copy_(at::bmm(last, at::bmm(below, first)).neg_());
    }
  }
  if (whole < size) InvertBySubstitution(lower.slice(0, whole).slice(1, whole));
}

/// The inverse of a triangle whose diagonal blocks are inverted: of both halves, then of what is below.
void JoinBlocks(const at::Tensor& lower) {
  const int64_t size = lower.size(0);
  if (size <= kBlockColumns) return;
  const int64_t half = (size + kBlockColumns - 1) / kBlockColumns / 2 * kBlockColumns;
  const at::Tensor first = lower.slice(0, 0, half).slice(1, 0, half);
  const at::Tensor last = lower.slice(0, half).slice(1, half);
  const at::Tensor below = lower.slice(0, half).slice(1, 0, half);
  JoinBlocks(first);
  JoinBlocks(last);
  MinusLowerTimes(last, TimesLower(below, first), below);
}

/// One solution of X A = B, a block of columns after the other.
class RowSolver {
 public:
  RowSolver(const at::Tensor& lower, const at::Tensor& rows)
      : size_(lower.size(0)), rows_(rows), factor_(SplitTf32(lower.to(at::kFloat))), solved_{rows, {}} {
    if (factor_.low.defined()) solved_ = {at::empty_like(rows), at::empty_like(rows)};
    InvertDiagonal(lower);
    for (int64_t begin = 0; begin < size_; begin += kBlockColumns)
      inverses_.push_back(SplitTf32(lower.slice(0, begin, End(begin)).slice(1, begin, End(begin)).to(at::kFloat)));
  }

  /// Y Lᵀ = B, from the first columns on.
  void SolveForwards() {
    for (size_t block = 0; block < inverses_.size(); ++block) {
      const int64_t begin = Begin(block);
      const int64_t end = End(begin);
      if (begin > 0)
        SubtractProduct(solved_.slice(1, 0, begin), factor_.slice(0, begin, end).slice(1, 0, begin).t(),
                        rows_.slice(1, begin, end));
      Solve(begin, end, inverses_[block].t());
    }
  }

  /// X L = Y, from the last columns on.
  void SolveBackwards() {
    for (size_t block = inverses_.size(); block-- > 0;) {
      const int64_t begin = Begin(block);
      const int64_t end = End(begin);
      if (end < size_)
        SubtractProduct(solved_.slice(1, end, size_), factor_.slice(0, end, size_).slice(1, begin, end),
                        rows_.slice(1, begin, end));
      Solve(begin, end, inverses_[block]);
    }
  }

 private:
  static int64_t Begin(size_t block) { return static_cast<int64_t>(block) * kBlockColumns; }
  int64_t End(int64_t begin) const { return std::min(begin + kBlockColumns, size_); }

  void Solve(int64_t begin, int64_t end, const Tf32Parts& inverse) const {
    const at::Tensor columns = rows_.slice(1, begin, end);
    columns.copy_(Product(SplitTf32(columns), inverse));
    if (!solved_.low.defined()) return;
    const Tf32Parts parts = SplitTf32(columns);
    solved_.high.slice(1, begin, end).copy_(parts.high);
    solved_.low.slice(1, begin, end).copy_(parts.low);
  }

  int64_t size_;
  const at::Tensor& rows_;
  Tf32Parts factor_;
  Tf32Parts solved_;                 // of the pass so far; without parts the rows themselves
  std::vector<Tf32Parts> inverses_;  // of the diagonal blocks
};

}  // namespace

void InvertLower(const at::Tensor& lower) {
  InvertDiagonal(lower);
  JoinBlocks(lower);
}

void SolveRows(const at::Tensor& lower, const at::Tensor& rows) {
  RowSolver solver(lower, rows);
  solver.SolveForwards();
  solver.SolveBackwards();
}

}  // namespace pivot
