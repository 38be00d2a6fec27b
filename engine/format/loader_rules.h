// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_LOADER_RULES_H_
#define PIVOT_ENGINE_FORMAT_LOADER_RULES_H_

// What serving runtimes ask of a compressed folder beyond its tensors being there: a table of rules, each with the
// loader that it belongs to and where it was found.

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "engine/format/checkpoint_folder.h"

namespace pivot {

enum class RuleSeverity {
  kError,    // the loader refuses the folder or reads it wrongly
  kWarning,  // it loads, in newer versions only or with a slower kernel
};

struct LoaderRule {
  absl::string_view id;  // kebab-case, stable
  RuleSeverity severity;
  absl::string_view loader;  // "vLLM", "transformers", "SGLang", several with commas
  absl::string_view source;  // where the rule can be read
};

/// All rules, errors first.
absl::Span<const LoaderRule> LoaderRules();

struct RuleFinding {
  const LoaderRule* rule = nullptr;
  std::string message;  // what breaks the rule, and what happens then
};

/// Rules that the folder breaks, one finding for each rule. `target_tp`: ranks of tensor parallelism it is to be served
/// with; 1: none.
std::vector<RuleFinding> CheckLoaderRules(const CheckpointFolder& folder, int target_tp);

/// "fused-layers-share-a-scheme (vLLM, SGLang): ...".
std::string DescribeFinding(const RuleFinding& finding);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_LOADER_RULES_H_
