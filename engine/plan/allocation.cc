// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/allocation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"

#include "engine/format/output_format.h"
#include "engine/model/block_linears.h"
#include "engine/plan/conversion.h"
#include "engine/plan/knapsack.h"
#include "engine/plan/output_bytes.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr int kPlainWidth = 16;
constexpr std::array<int64_t, 3> kGroupSizes = {32, 64, 128};
constexpr char kEndsName[] = "ends";
// Of a model whose layers all have 2 bits, the share that its narrow embedding and head cost.
constexpr double kPriorOfEmbedding = 0.005;
constexpr double kPriorOfHead = 0.015;
// Larger scales for twice the columns.
constexpr double kPriorPerGroupDoubled = 1.15;
// The configuration's size depends on all choices together; a plan is made again with less room until it fits.
constexpr int kMaxTries = 20;

bool IsExpertRole(LinearRole role) {
  return role == LinearRole::kExpertGate || role == LinearRole::kExpertUp || role == LinearRole::kExpertDown;
}

PlanUnit UnitOf(const ModelConfig& config, int block, std::vector<LinearRole> roles, std::string name) {
  PlanUnit unit{.block = block, .roles = std::move(roles), .name = std::move(name)};
  for (const BlockLinear& linear : BlockLinears(config, block)) {
    if (!absl::c_linear_search(unit.roles, linear.role)) continue;
    unit.weights += linear.shape.out_features * linear.shape.in_features;
  }
  return unit;
}

/// Whether every layout of the output holds every layer of the unit so.
bool IsExpressible(const ModelConfig& config, const PlanUnit& unit, const WeightScheme& scheme,
                   absl::Span<const CodeLayout> layouts) {
  if (!WhyNotInAll(scheme, layouts).empty()) return false;
  return absl::c_all_of(unit.roles, [&](LinearRole role) {
    const LinearShape shape = ShapeInBlock(config, unit.block, role);
    return absl::c_all_of(layouts, [&](CodeLayout layout) { return WhyNotExpressible(shape, scheme, layout).empty(); });
  });
}

int64_t UnitBytes(const ModelFolder& source, const PlanUnit& unit, const std::optional<WeightScheme>& scheme,
                  const CompressSpec& spec) {
  int64_t bytes = 0;
  for (const BlockLinear& linear : BlockLinears(source.config(), unit.block)) {
    if (absl::c_linear_search(unit.roles, linear.role))
      bytes += LinearBytes(source, linear.module, linear.shape, scheme, spec);
  }
  return bytes;
}

/// The spec's own first, then the larger ones that divide all rows of the unit. OneComp's configuration has one for all
/// layers, GGUF its own.
std::vector<int64_t> GroupSizes(const ModelConfig& config, const CompressSpec& spec, const PlanUnit& unit) {
  const int64_t base = spec.scheme.group_size;
  std::vector<int64_t> sizes = {base};
  const bool is_fixed = absl::c_any_of(spec.layouts(), [](CodeLayout layout) {
    return layout == CodeLayout::kMixedGptq || layout == CodeLayout::kGguf;
  });
  if (base == 0 || is_fixed) return sizes;
  for (const int64_t size : kGroupSizes) {
    const bool divides = absl::c_all_of(
        unit.roles, [&](LinearRole role) { return ShapeInBlock(config, unit.block, role).in_features % size == 0; });
    if (size > base && divides) sizes.push_back(size);
  }
  return sizes;
}

std::vector<UnitChoice> ChoicesOf(const ModelFolder& source, const CompressSpec& spec, const PlanUnit& unit) {
  std::vector<UnitChoice> choices;
  for (const WeightScheme& scheme : UnitSchemes(source.config(), spec, unit))
    choices.push_back({.scheme = scheme, .bytes = UnitBytes(source, unit, scheme, spec)});
  choices.push_back({.scheme = std::nullopt, .bytes = UnitBytes(source, unit, std::nullopt, spec)});
  return choices;
}

int64_t EndBytes(const ModelFolder& source, absl::string_view tensor, bool is_narrow) {
  const TensorInfo* info = source.Find(tensor);
  if (info == nullptr) return 0;
  const int64_t weights = source.config().vocab_size * source.config().hidden_size;
  return weights * (is_narrow ? kNarrowBits : DtypeBits(info->dtype)) / 8;
}

std::vector<UnitChoice> EndChoices(const ModelFolder& source) {
  const ModelConfig& config = source.config();
  std::vector<UnitChoice> choices;
  for (const NarrowEnds ends : {NarrowEnds{}, NarrowEnds{.embedding = true}, NarrowEnds{.head = true},
                                NarrowEnds{.embedding = true, .head = true}}) {
    if (ends.head && config.tied_embeddings) continue;
    int64_t bytes = EndBytes(source, config.architecture->embedding, ends.embedding);
    if (!config.tied_embeddings) bytes += EndBytes(source, config.architecture->head, ends.head);
    choices.push_back({.scheme = std::nullopt, .ends = ends, .bytes = bytes});
  }
  return choices;
}

void FillPriorCostsOfEnds(const ModelConfig& config, std::vector<UnitChoice>& choices) {
  for (UnitChoice& choice : choices) {
    const bool narrows_head = config.tied_embeddings ? choice.ends.embedding : choice.ends.head;
    choice.cost = (choice.ends.embedding ? kPriorOfEmbedding : 0) + (narrows_head ? kPriorOfHead : 0);
  }
}

/// Of a weight, relative: what layers of this kind cost on SmolLM2-135M at equal widths, divided by their weights.
double PriorOf(LinearRole role) {
  switch (role) {
    case LinearRole::kValue:
    case LinearRole::kQueryKeyValue:
    case LinearRole::kAttentionOutput:
      return 2.0;
    case LinearRole::kDown:
    case LinearRole::kExpertDown:
      return 1.5;
    default:
      return 1.0;
  }
}

/// Of a block, relative: the first and the last ones cost more.
double PriorOfBlock(int block, int64_t blocks) {
  if (block == 0 || block + 1 == blocks) return 2.0;
  return block == 1 || block + 2 == blocks ? 1.3 : 1.0;
}

/// Relative to 2 bits in groups of 32.
double PriorOfScheme(const WeightScheme& scheme) {
  const double group = scheme.group_size == 0 ? kGroupSizes.back() : static_cast<double>(scheme.group_size);
  return std::pow(4.0, 2 - scheme.bits) * std::pow(kPriorPerGroupDoubled, std::log2(group / kGroupSizes.front()));
}

std::vector<std::vector<PlanChoice>> PricesOf(const std::vector<std::vector<UnitChoice>>& choices) {
  std::vector<std::vector<PlanChoice>> prices;
  for (const std::vector<UnitChoice>& unit : choices) {
    prices.emplace_back();
    for (const UnitChoice& choice : unit) prices.back().push_back({.bytes = choice.bytes, .cost = choice.cost});
  }
  return prices;
}

ModelSchemes SchemesOfChosen(const ModelConfig& config, const std::vector<PlanUnit>& units,
                             const std::vector<std::vector<UnitChoice>>& choices, const std::vector<int>& chosen) {
  ModelSchemes schemes(config);
  for (size_t i = 0; i < units.size(); ++i) {
    const UnitChoice& choice = choices[i][static_cast<size_t>(chosen[i])];
    for (const LinearRole role : units[i].roles) schemes.Set(units[i].block, role, choice.scheme);
    if (units[i].is_ends()) schemes.SetEnds(choice.ends);
  }
  return schemes;
}

}  // namespace

std::string ChoiceName(const PlanUnit& unit, const UnitChoice& choice, const WeightScheme& base) {
  if (unit.is_ends()) {
    if (!choice.ends.any()) return "as_is";
    return absl::StrCat(choice.ends.embedding ? "embedding" : "", choice.ends.embedding && choice.ends.head ? "+" : "",
                        choice.ends.head ? "head" : "");
  }
  if (!choice.scheme.has_value()) return absl::StrCat(kPlainWidth);
  const WeightScheme& scheme = *choice.scheme;
  return scheme.group_size == base.group_size ? absl::StrCat(scheme.bits)
                                              : absl::StrCat(scheme.bits, "/", scheme.group_size);
}

bool IsUniformChoice(const PlanUnit& unit, const UnitChoice& choice, const WeightScheme& uniform) {
  return unit.is_ends() ? !choice.ends.any() : choice.scheme == uniform;
}

std::vector<PlanUnit> PlanUnits(const ModelConfig& config) {
  std::vector<PlanUnit> units;
  for (int block = 0; block < config.num_blocks; ++block) {
    const std::string prefix = BlockPrefix(*config.architecture, block);
    for (const BlockGroup& group : SharedGroups(config, block)) {
      if (!group.fused_name.empty()) {
        units.push_back(UnitOf(config, block, group.members, absl::StrCat(prefix, group.fused_name)));
        continue;
      }
      for (const LinearRole role : group.members)
        units.push_back(UnitOf(config, block, {role}, LinearModule(config, block, role, kNoExpert)));
    }
    if (!config.has_experts(block)) continue;
    std::vector<LinearRole> roles;
    for (const BlockLinear& linear : DistinctLinears(config, block))
      if (IsExpertRole(linear.role)) roles.push_back(linear.role);
    units.push_back(
        UnitOf(config, block, std::move(roles), absl::StrCat(prefix, config.architecture->experts->prefix, "*")));
  }
  return units;
}

std::vector<PlanUnit> PlanUnits(const ModelFolder& source, const CompressSpec& spec) {
  const ModelConfig& config = source.config();
  std::vector<PlanUnit> units = PlanUnits(config);
  const std::vector<CodeLayout> layouts = spec.layouts();
  if (spec.plan.budget.vram_bytes != 0 || !WhyNotNarrow(config, layouts).empty()) return units;
  const int64_t matrices = config.tied_embeddings ? 1 : 2;
  units.push_back(
      {.block = -1, .roles = {}, .name = kEndsName, .weights = matrices * config.vocab_size * config.hidden_size});
  return units;
}

std::vector<WeightScheme> UnitSchemes(const ModelConfig& config, const CompressSpec& spec, const PlanUnit& unit) {
  std::vector<WeightScheme> schemes;
  for (const int64_t group_size : GroupSizes(config, spec, unit)) {
    for (int bits = kMinBits; bits <= kMaxBits; ++bits) {
      WeightScheme scheme = spec.scheme;
      scheme.bits = bits;
      scheme.group_size = group_size;
      if (!scheme.is_symmetric() && bits != 4 && bits != 8) continue;
      if (IsExpressible(config, unit, scheme, spec.layouts())) schemes.push_back(scheme);
    }
  }
  return schemes;
}

std::vector<std::vector<UnitChoice>> UnitChoices(const ModelFolder& source, const CompressSpec& spec) {
  std::vector<std::vector<UnitChoice>> choices;
  for (const PlanUnit& unit : PlanUnits(source, spec))
    choices.push_back(unit.is_ends() ? EndChoices(source) : ChoicesOf(source, spec, unit));
  return choices;
}

void FillPriorCosts(const ModelConfig& config, const std::vector<PlanUnit>& units,
                    std::vector<std::vector<UnitChoice>>& choices) {
  double weights = 0;
  for (const PlanUnit& unit : units) weights += unit.is_ends() ? 0 : static_cast<double>(unit.weights);
  for (size_t i = 0; i < units.size(); ++i) {
    if (units[i].is_ends()) {
      FillPriorCostsOfEnds(config, choices[i]);
      continue;
    }
    double sensitivity = 0;
    for (const LinearRole role : units[i].roles) sensitivity = std::max(sensitivity, PriorOf(role));
    sensitivity *= PriorOfBlock(units[i].block, config.num_blocks);
    const double share = static_cast<double>(units[i].weights) / weights;
    for (UnitChoice& choice : choices[i])
      choice.cost = choice.scheme.has_value() ? share * sensitivity * PriorOfScheme(*choice.scheme) : 0;
  }
}

absl::StatusOr<Allocation> Allocate(const ModelFolder& source, const CompressSpec& spec,
                                    const std::vector<PlanUnit>& units,
                                    const std::vector<std::vector<UnitChoice>>& choices, int64_t max_bytes) {
  const ModelConfig& config = source.config();
  const std::vector<std::vector<PlanChoice>> prices = PricesOf(choices);
  std::vector<int> chosen;
  for (const std::vector<PlanChoice>& unit : prices) {
    const auto least =
        std::min_element(unit.begin(), unit.end(), [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
    chosen.push_back(static_cast<int>(least - unit.begin()));
  }
  const auto bytes_of = [&] { return OutputBytes(source, SchemesOfChosen(config, units, choices, chosen), spec); };
  PIVOT_ASSIGN_OR_RETURN(const int64_t least_bytes, bytes_of());
  if (least_bytes > max_bytes) return BudgetTooSmall(max_bytes, least_bytes);
  int64_t least_units = 0;
  for (size_t i = 0; i < units.size(); ++i) least_units += prices[i][static_cast<size_t>(chosen[i])].bytes;
  int64_t room = max_bytes - (least_bytes - least_units);
  for (int i = 0; i < kMaxTries; ++i) {
    PIVOT_ASSIGN_OR_RETURN(const KnapsackSolution solution, SolveKnapsack(prices, std::max(room, least_units)));
    chosen = solution.choices;
    PIVOT_ASSIGN_OR_RETURN(const int64_t total_bytes, bytes_of());
    if (total_bytes <= max_bytes) {
      return Allocation{.schemes = SchemesOfChosen(config, units, choices, chosen),
                        .chosen = chosen,
                        .cost = solution.cost,
                        .gap = solution.gap,
                        .total_bytes = total_bytes};
    }
    room -= total_bytes - max_bytes;
  }
  return absl::InternalError("no plan was found that fits the budget although the smallest one does");
}

}  // namespace pivot
