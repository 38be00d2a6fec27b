// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cassert>

#include "kernels/bf16_strip.h"
#include "kernels/token_products.h"

namespace pivot {
namespace {

constexpr int64_t kChunkPairs = 256;  // a panel's share of this length stays in a core's second cache

static_assert(kProductPanel == kStripColumns);

using Strip = std::array<float, kStripRows * kProductPanel>;

int64_t NumPairs(int64_t tokens) { return (tokens + 1) / 2; }
int64_t PanelSize(int64_t tokens) { return NumPairs(tokens) * kProductPanel * 2; }

void AddStrip(const Strip& strip, const TokenProducts& products, int64_t first_row, int64_t first_column) {
  const int64_t rows = std::min(kStripRows, products.left_features - first_row);
  const int64_t columns = std::min(kProductPanel, products.right_features - first_column);
  for (int64_t r = 0; r < rows; ++r) {
    float* sum = products.sum + (first_row + r) * products.right_features + first_column;
    const float* add = strip.data() + r * kProductPanel;
    for (int64_t c = 0; c < columns; ++c) sum[c] += add[c];
  }
}

}  // namespace

bool HasTokenProducts() { return HasBf16Products(); }

int64_t PackedTokensSize(int64_t tokens, int64_t features) { return NumProductPanels(features) * PanelSize(tokens); }

void PackTokens(const uint16_t* x, int64_t tokens, int64_t features, int64_t first_panel, int64_t last_panel,
                uint16_t* packed) {
  for (int64_t panel = first_panel; panel < last_panel; ++panel) {
    const int64_t first = panel * kProductPanel;
    const int64_t width = std::min(kProductPanel, features - first);
    uint16_t* out = packed + panel * PanelSize(tokens);
    for (int64_t pair = 0; pair < NumPairs(tokens); ++pair, out += kProductPanel * 2) {
      const uint16_t* even = x + 2 * pair * features + first;
      const bool has_odd = 2 * pair + 1 < tokens;
      for (int64_t i = 0; i < width; ++i) {
        out[2 * i] = even[i];
        out[2 * i + 1] = has_odd ? even[features + i] : uint16_t{0};
      }
      std::fill(out + 2 * width, out + 2 * kProductPanel, uint16_t{0});
    }
  }
}

void RunTokenProducts(const TokenProducts& products, int64_t first_task, int64_t last_task) {
  assert(HasTokenProducts());
  const int64_t pairs = NumPairs(products.tokens);
  const int64_t panel_size = PanelSize(products.tokens);
  Strip strip;
  for (int64_t panel = first_task; panel < last_task; ++panel) {
    const int64_t first_column = panel * kProductPanel;
    // Panels begin at multiples of strips, so that this is a strip's first row.
    const int64_t begin = products.part == ProductPart::kLower ? first_column : 0;
    for (int64_t pair = 0; pair < pairs; pair += kChunkPairs) {
      const int64_t count = std::min(kChunkPairs, pairs - pair);
      const uint16_t* right = products.right + panel * panel_size + pair * kProductPanel * 2;
      for (int64_t row = begin; row < products.left_features; row += kStripRows) {
        const uint16_t* left = products.left + row / kProductPanel * panel_size + pair * kProductPanel * 2;
        MultiplyStrip({.data = left + row % kProductPanel * 2, .row_stride = 2, .pair_stride = kProductPanel * 2},
                      right, count, strip.data(), kProductPanel);
        AddStrip(strip, products, row, first_column);
      }
    }
  }
}

}  // namespace pivot
