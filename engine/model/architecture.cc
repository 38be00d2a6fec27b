// SPDX-License-Identifier: Apache-2.0
#include "engine/model/architecture.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace pivot {

const LinearEntry& Architecture::linear(LinearRole role) const {
  return *std::find_if(linears.begin(), linears.end(), [role](const LinearEntry& entry) { return entry.role == role; });
}

bool Architecture::has_linear(LinearRole role) const {
  return std::any_of(linears.begin(), linears.end(), [role](const LinearEntry& entry) { return entry.role == role; });
}

const Architecture* FindArchitecture(absl::string_view model_type) {
  for (const Architecture& architecture : Architectures()) {
    if (architecture.model_type == model_type) return &architecture;
  }
  return nullptr;
}

std::string BlockPrefix(const Architecture& architecture, int block) {
  return absl::StrCat(architecture.block_prefix, block, ".");
}

}  // namespace pivot
