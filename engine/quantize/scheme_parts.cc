// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/scheme_parts.h"

#include <algorithm>
#include <optional>

namespace pivot {

std::vector<SchemePart> SplitByScheme(const ModelSchemes& schemes, int block, const SolverGroup& group) {
  std::vector<SchemePart> parts;
  for (const LinearRole role : group.members) {
    const std::optional<WeightScheme>& scheme = schemes.at(block, role);
    if (!scheme.has_value()) continue;
    auto part = std::find_if(parts.begin(), parts.end(), [&](const SchemePart& p) { return p.scheme == *scheme; });
    if (part == parts.end()) {
      part = parts.insert(parts.end(), {.scheme = *scheme, .group = group});
      part->group.members.clear();
    }
    part->group.members.push_back(role);
  }
  return parts;
}

}  // namespace pivot
