// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmarks/server/figures.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"

namespace pivot {
namespace {

std::string BoundOf(const Figure& figure) {
  if (figure.at_most.has_value())
    return absl::StrFormat("  at most %.4g%s", *figure.at_most, figure.holds() ? "" : "  MISSED");
  if (figure.at_least.has_value())
    return absl::StrFormat("  at least %.4g%s", *figure.at_least, figure.holds() ? "" : "  MISSED");
  return "";
}

}  // namespace

void Latencies::Add(absl::Duration time) {
  const std::lock_guard lock(mutex_);
  milliseconds_.push_back(absl::ToDoubleMilliseconds(time));
}

size_t Latencies::size() const {
  const std::lock_guard lock(mutex_);
  return milliseconds_.size();
}

double Latencies::Milliseconds(double fraction) const {
  std::vector<double> sorted;
  {
    const std::lock_guard lock(mutex_);
    sorted = milliseconds_;
  }
  if (sorted.empty()) return 0;
  std::sort(sorted.begin(), sorted.end());
  const auto rank = static_cast<size_t>(std::ceil(fraction * static_cast<double>(sorted.size())));
  return sorted[std::max<size_t>(rank, 1) - 1];
}

void Figures::Add(Figure figure) {
  std::cout << absl::StrFormat("%-44s %10.3f %-8s%s\n", figure.name, figure.value, figure.unit, BoundOf(figure))
            << std::flush;
  figures_.push_back(std::move(figure));
}

double Figures::Value(absl::string_view name) const {
  const auto found =
      std::find_if(figures_.rbegin(), figures_.rend(), [&](const Figure& figure) { return figure.name == name; });
  return found == figures_.rend() ? 0 : found->value;
}

bool Figures::all_hold() const {
  return std::all_of(figures_.begin(), figures_.end(), [](const Figure& figure) { return figure.holds(); });
}

std::string Figures::Json() const {
  nlohmann::json record = nlohmann::json::object();
  for (const Figure& figure : figures_) {
    nlohmann::json entry{{"value", figure.value}, {"unit", figure.unit}};
    if (figure.at_most.has_value()) entry["at_most"] = *figure.at_most;
    if (figure.at_least.has_value()) entry["at_least"] = *figure.at_least;
    if (figure.at_most.has_value() || figure.at_least.has_value()) entry["holds"] = figure.holds();
    record[figure.name] = std::move(entry);
  }
  return record.dump();
}

}  // namespace pivot
