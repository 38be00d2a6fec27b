// SPDX-License-Identifier: Apache-2.0
#include "engine/format/weight_scheme.h"

#include <algorithm>
#include <array>

namespace pivot {
namespace {

// Positions are those of CodeType.
constexpr std::array<absl::string_view, 4> kTypeNames = {"int", "fp8", "nvfp4", "mxfp4"};

}  // namespace

absl::string_view CodeTypeName(CodeType type) { return kTypeNames[static_cast<size_t>(type)]; }

std::optional<WeightScheme> FloatScheme(absl::string_view type_name) {
  if (type_name == "fp8") return WeightScheme{.bits = 8, .group_size = 0, .type = CodeType::kFloat8};
  if (type_name == "nvfp4") return WeightScheme{.bits = 4, .group_size = kNvfp4GroupSize, .type = CodeType::kNvfp4};
  if (type_name == "mxfp4") return WeightScheme{.bits = 4, .group_size = kMxfp4GroupSize, .type = CodeType::kMxfp4};
  return std::nullopt;
}

int64_t AutomaticGroupSize(absl::Span<const int64_t> in_features) {
  for (const int64_t size : {128, 64, 32}) {
    const bool divides =
        std::all_of(in_features.begin(), in_features.end(), [size](int64_t n) { return n % size == 0; });
    if (divides) return size;
  }
  return 0;
}

}  // namespace pivot
