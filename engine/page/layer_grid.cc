// SPDX-License-Identifier: Apache-2.0
#include "engine/page/layer_grid.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <unordered_map>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"

#include "proto/text/json_facts.h"

namespace pivot::page {
namespace {

using nlohmann::json;

constexpr size_t kMostColumns = 256;
constexpr size_t kMostKinds = 64;
constexpr char kOtherKinds[] = "other layers";
/// Sorts behind every block.
constexpr int64_t kNoBlock = std::numeric_limits<int64_t>::max();

bool IsNumber(absl::string_view part) {
  return !part.empty() && part.size() <= 9 && std::all_of(part.begin(), part.end(), absl::ascii_isdigit);
}

void Take(const json& entry, Layer* layer) {
  const auto text = [&entry](const char* key, std::string* into) {
    if (std::string value = TextAt(entry, key); !value.empty()) *into = std::move(value);
  };
  const auto number = [&entry](const char* key, std::optional<double>* into) {
    if (const auto value = NumberAt(entry, key); value.has_value()) *into = value;
  };
  text("type", &layer->type);
  text("method", &layer->method);
  text("fallback", &layer->fallback);
  number("bits", &layer->bits);
  number("group_size", &layer->group_size);
  number("bytes", &layer->bytes);
  number("relative_error", &layer->relative_error);
  number("output_error", &layer->output_error);
  number("percdamp", &layer->damping);
  number("dead_columns", &layer->dead_columns);
  number("tokens", &layer->tokens);
}

class LayerList {
 public:
  void Add(const json& entry) {
    const std::string name = TextAt(entry, "name");
    if (name.empty()) return;
    const auto [place, is_new] = places_.emplace(name, layers_.size());
    if (is_new) layers_.push_back({.name = name});
    Take(entry, &layers_[place->second]);
  }
  std::vector<Layer> Release() { return std::move(layers_); }

 private:
  std::vector<Layer> layers_;
  std::unordered_map<std::string, size_t> places_;
};

std::vector<LayerPlace> PlacesOf(const std::vector<Layer>& layers, Collapse collapse) {
  std::vector<LayerPlace> places;
  places.reserve(layers.size());
  for (const Layer& layer : layers) places.push_back(PlaceOf(layer.name, collapse));
  return places;
}

/// In the order in which they come.
std::vector<std::string> KindsOf(const std::vector<LayerPlace>& places) {
  std::vector<std::string> kinds;
  std::set<std::string> seen;
  for (const LayerPlace& place : places) {
    if (seen.insert(place.kind).second) kinds.push_back(place.kind);
  }
  return kinds;
}

/// Names the columns; the answer says which one each block is in.
std::map<int64_t, size_t> ArrangeColumns(const std::vector<LayerPlace>& places, std::vector<std::string>* names) {
  std::map<int64_t, size_t> columns;
  for (const LayerPlace& place : places) columns[place.block.value_or(kNoBlock)] = 0;
  const bool has_outside = columns.contains(kNoBlock);
  const size_t num_blocks = columns.size() - (has_outside ? 1 : 0);
  const size_t for_each = std::max<size_t>(1, (num_blocks + kMostColumns - 2) / (kMostColumns - 1));
  size_t i = 0;
  int64_t first = 0;
  for (auto& [block, column] : columns) {
    if (block == kNoBlock) break;
    column = i / for_each;
    if (i % for_each == 0) {
      first = block;
      names->push_back(absl::StrCat(block));
    } else {
      names->back() = absl::StrCat(first, "-", block);
    }
    ++i;
  }
  if (has_outside) {
    columns[kNoBlock] = names->size();
    names->push_back("-");
  }
  return columns;
}

}  // namespace

std::vector<Layer> ReadLayers(const json& report, const json& plan) {
  LayerList layers;
  for (const json& module : ListAt(plan, "modules")) layers.Add(module);
  for (const json& block : ListAt(report, "blocks")) {
    for (const json& linear : ListAt(block, "linears")) layers.Add(linear);
  }
  return layers.Release();
}

LayerPlace PlaceOf(absl::string_view name, Collapse collapse) {
  std::vector<std::string> parts = absl::StrSplit(name, '.');
  const auto block = std::find_if(parts.begin(), parts.end(), [](const std::string& part) { return IsNumber(part); });
  int64_t number = 0;
  if (block == parts.end() || block + 1 == parts.end() || !absl::SimpleAtoi(*block, &number)) {
    return {.block = std::nullopt, .kind = std::string(name)};
  }
  for (auto part = block + 1; part != parts.end(); ++part) {
    if (IsNumber(*part) && (collapse == Collapse::kAll || *(part - 1) == "experts")) *part = "*";
  }
  return {.block = number, .kind = absl::StrJoin(block + 1, parts.end(), ".")};
}

LayerGrid ArrangeLayers(const std::vector<Layer>& layers) {
  LayerGrid grid;
  std::vector<LayerPlace> places = PlacesOf(layers, Collapse::kExperts);
  grid.kinds = KindsOf(places);
  if (grid.kinds.size() > kMostKinds) {
    places = PlacesOf(layers, Collapse::kAll);
    grid.kinds = KindsOf(places);
  }
  if (grid.kinds.size() > kMostKinds) {
    grid.kinds.resize(kMostKinds);
    grid.kinds.back() = kOtherKinds;
  }
  const std::map<int64_t, size_t> columns = ArrangeColumns(places, &grid.columns);
  std::unordered_map<std::string, size_t> rows;
  for (size_t i = 0; i < grid.kinds.size(); ++i) rows[grid.kinds[i]] = i;
  grid.cells.assign(grid.kinds.size(), std::vector<std::vector<size_t>>(grid.columns.size()));
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto row = rows.find(places[i].kind);
    const size_t kind = row == rows.end() ? grid.kinds.size() - 1 : row->second;
    grid.cells[kind][columns.at(places[i].block.value_or(kNoBlock))].push_back(i);
  }
  return grid;
}

}  // namespace pivot::page
