// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_CODE_POINT_RANGE_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_CODE_POINT_RANGE_H_

// Finds the entry of a sorted table that has a code point.

#include <algorithm>

namespace pivot::tokenizer {

/// The range that holds the code point, or null. `table` is ascending by `first`, and its ranges do not touch.
template <typename Table>
const typename Table::value_type* FindRange(const Table& table, char32_t code_point) {
  const auto after = std::upper_bound(table.begin(), table.end(), code_point,
                                      [](char32_t value, const auto& range) { return value < range.first; });
  if (after == table.begin()) return nullptr;
  const auto& range = *(after - 1);
  return code_point <= range.last ? &range : nullptr;
}

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_CODE_POINT_RANGE_H_
