// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_QUANTIZE_OPTIONS_H_
#define PIVOT_ENGINE_PLAN_QUANTIZE_OPTIONS_H_

// How each linear layer is quantized. Defaults are what won the ablation in docs/quality.md, at every width.

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "kernels/clip_search.h"

namespace pivot {

enum class Method { kGptq, kRtn };
enum class ClipSearch { kNone, kConditional };
enum class ActOrder { kNone, kWeight };

absl::string_view MethodName(Method method);
absl::string_view ClipSearchName(ClipSearch search);
absl::string_view ScaleSignsName(ScaleSigns signs);
absl::string_view ActOrderName(ActOrder order);

struct QuantizeOptions {
  Method method = Method::kGptq;
  double percdamp = 0.01;       // fraction of the Hessian's mean diagonal
  double regularization = 1.0;  // of the Hessian: RegularizeHessian; 0: none
  double qep_alpha = 0.35;      // share of a layer's own input error that its weights make good; 0: none
  double qep_residual = 0.35;   // share of the residual stream's error that o_proj and down_proj make good; 0: none
  double qep_percdamp = 0.1;    // fraction of the Hessian's mean diagonal, when errors are propagated
  ClipSearch clip_search = ClipSearch::kConditional;
  ScaleSigns scale_signs = ScaleSigns::kEither;  // of symmetric integers
  ActOrder act_order = ActOrder::kWeight;
  int64_t refine_sweeps = 4;  // of coordinate descent over integer codes and scales behind GPTQ; 0: none
  /// Scales of 7 significant bits instead of 8, so that the products with zero points that GGUF's Q4_1 holds are exact.
  bool short_scales = false;

  /// Significant bits of scales, as bf16 has them or one less.
  int scale_digits() const { return short_scales ? 7 : 8; }
  bool propagates() const { return method == Method::kGptq && (qep_alpha > 0 || qep_residual > 0); }
};

/// The options in the JSON form of pivot.v1.QuantizeOptions. kInvalidArgument with the field (reason INVALID_SPEC) when
/// a value is out of range.
absl::StatusOr<QuantizeOptions> ParseQuantizeOptions(const nlohmann::json& object);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_QUANTIZE_OPTIONS_H_
