// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/tile_products.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>
#include <algorithm>

#include "engine/ops/device.h"

namespace pivot {
namespace {

// A block of the left side and its share of a panel stay in a core's second cache.
constexpr int64_t kRows = 64;
constexpr int64_t kChunkTokens = 1024;

}  // namespace

bool HasTileProducts() { return HasTileUnit() && at::native::cpublas::could_pack(at::kBFloat16); }

at::Tensor ByFeature(const at::Tensor& tokens) {
  const int64_t count = tokens.size(0);
  at::Tensor rows = at::empty({tokens.size(1), (count + 1) / 2 * 2}, tokens.options());
  rows.slice(1, 0, count).copy_(tokens.t());
  rows.slice(1, count).zero_();
  return rows;
}

void AddTileProducts(const at::Tensor& left, const PackedTokens& right, ProductPart part, const at::Tensor& sum) {
  const int64_t tokens = left.size(1);
  const int64_t panels = NumProductPanels(right.features);
  const auto* rows = left.const_data_ptr<at::BFloat16>();
  const auto* packed = right.data.const_data_ptr<at::BFloat16>();
  const auto run_panel = [&](int64_t panel) {
    const int64_t first_column = panel * kProductPanel;
    const int64_t columns = std::min(kProductPanel, right.features - first_column);
    const int64_t begin = part == ProductPart::kLower ? first_column : 0;
    for (int64_t token = 0; token < tokens; token += kChunkTokens) {
      const int64_t count = std::min(kChunkTokens, tokens - token);
      const at::BFloat16* columns_of_chunk = packed + (panel * tokens + token) * kProductPanel;
      for (int64_t row = begin; row < left.size(0); row += kRows) {
        at::native::cpublas::brgemm(std::min(kRows, left.size(0) - row), columns, count, tokens, kProductPanel,
                                    sum.size(1), /*add_C=*/true, rows + row * tokens + token, columns_of_chunk,
                                    sum.data_ptr<float>() + row * sum.size(1) + first_column);
      }
    }
  };
  // Below the diagonal the first panels have the most rows: threads take panels from both ends.
  at::parallel_for(0, panels, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) run_panel(i % 2 == 0 ? i / 2 : panels - 1 - i / 2);
    at::native::cpublas::brgemm_release();
  });
}

}  // namespace pivot
