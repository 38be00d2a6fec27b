// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_PLAN_RULES_H_
#define PIVOT_ENGINE_PLAN_PLAN_RULES_H_

// A plan that somebody wrote: which layers differ from the job's scheme.

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

#include "engine/format/model_schemes.h"
#include "engine/plan/quantize_options.h"

namespace pivot {

/// The schemes that a plan file gives the layers of a model. The file is an object with "schema": 1 and one of two
/// lists.
///
/// "rules": exceptions from `base`, which layers that no rule matches have. Each is an object with
///   "match"       modules by name, as ModulePattern has it: "*.mlp.down_proj", "re:model\\.layers\\.[0-3]\\..*"
///   "bits"        2 to 8
///   "group_size"  input columns that share a scale, a divisor of in_features; -1: the whole row
///   "keep"        true: not quantized
///   "method"      the job's: there is one for all layers
/// and no other key. Of several that match a layer the last one counts, as in .gitignore: general rules first,
/// exceptions behind them. What this rule leaves out is as in `base`, whatever rules before it said.
///
/// "modules": what `pivot plan --json` and pivot/plan.json list, each with "name", "bits" and "group_size" (0 or -1:
/// the whole row), and "type" and "method" of the job if they are there. A layer of type "kept", or one that is not
/// listed, is not quantized.
/// Other keys are ignored, as are those beside the list.
///
/// In either list embedding and head can be named, as "model.embed_tokens" and "lm_head" (a head that is the embedding
/// has no name of its own): see end_rules.h. What a rule's pattern merely matches they are not.
///
/// Layers that serving runtimes load as one must be alike: members of an input's group (q, k and v; gate and up), and
/// all projections of all experts of a block. Of a model that is not in the table of families nobody knows which those
/// are, so all layers of a block must be. Whether a format has a scheme is for the caller to ask (WhyNotExpressible).
///
/// Errors: kInvalidArgument (INVALID_SPEC, field job.spec.compress.plan_rules) with the rule or the layer, the value
/// and what is allowed: also for a rule that matches no layer, and when nothing would be quantized. Cost: rules times
/// layers, of which 2^24 are allowed.
absl::StatusOr<ModelSchemes> SchemesOf(const ModelConfig& config, const WeightScheme& base, Method method,
                                       const nlohmann::json& file);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_PLAN_RULES_H_
