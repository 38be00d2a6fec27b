// SPDX-License-Identifier: Apache-2.0
#include "engine/format/narrow_ends.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace pivot {

std::string EmbeddingModule(const ModelConfig& config) {
  return std::string(absl::StripSuffix(config.architecture->embedding, ".weight"));
}

std::string HeadModule(const ModelConfig& config) {
  return config.tied_embeddings ? "" : std::string(absl::StripSuffix(config.architecture->head, ".weight"));
}

bool IsNarrow(const ModelConfig& config, NarrowEnds ends, absl::string_view tensor) {
  if (ends.embedding && tensor == config.architecture->embedding) return true;
  return ends.head && !config.tied_embeddings && tensor == config.architecture->head;
}

std::string WhyNotNarrow(const ModelConfig& config, absl::Span<const CodeLayout> layouts) {
  if (config.found != nullptr) return "are of an architecture that is not supported";
  if (config.wrapped != nullptr) return "are of a decoder in a larger model";
  const bool all_packed = std::all_of(layouts.begin(), layouts.end(),
                                      [](CodeLayout layout) { return layout == CodeLayout::kPackQuantized; });
  return all_packed ? "" : "go into compressed-tensors only";
}

}  // namespace pivot
