// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PAGE_LAYER_GRID_H_
#define PIVOT_ENGINE_PAGE_LAYER_GRID_H_

// The linear layers of a model by kind and block, from what plan.json and report.json say of each.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace pivot::page {

/// Bits of a layer that is kept as it is.
inline constexpr double kKeptBits = 16;

struct Layer {
  std::string name;
  std::string type;
  std::string method;
  std::string fallback;  // of an expert
  std::optional<double> bits;
  std::optional<double> group_size;
  std::optional<double> bytes;
  std::optional<double> relative_error;
  std::optional<double> output_error;
  std::optional<double> damping;
  std::optional<double> dead_columns;
  std::optional<double> tokens;  // of an expert
};

/// In the plan's order; those that only the report has come last.
std::vector<Layer> ReadLayers(const nlohmann::json& report, const nlohmann::json& plan);

/// Where a layer is, by its name alone.
struct LayerPlace {
  std::optional<int64_t> block;  // nothing: in none, as lm_head
  std::string kind;              // "self_attn.q_proj", "mlp.experts.*.up_proj"
};

/// Numbers of experts become "*"; with kAll every number in the name after the block's.
enum class Collapse { kExperts, kAll };
LayerPlace PlaceOf(absl::string_view name, Collapse collapse);

struct LayerGrid {
  std::vector<std::string> columns;  // numbers of blocks ("7", or "6-8" where there are too many for one each), "-"
  std::vector<std::string> kinds;
  /// [kind][column]: the layers there, by their place in the list; none where a block has no such layer or keeps it.
  std::vector<std::vector<std::vector<size_t>>> cells;
};

/// No more than 256 columns and 64 kinds, whatever the names are.
LayerGrid ArrangeLayers(const std::vector<Layer>& layers);

}  // namespace pivot::page

#endif  // PIVOT_ENGINE_PAGE_LAYER_GRID_H_
