// SPDX-License-Identifier: Apache-2.0
#include "engine/loadable.h"

#include "absl/strings/str_cat.h"

#include "engine/format/loader_rules.h"
#include "proto/status/reason.h"

namespace pivot {

absl::Status CheckLoadable(const CheckpointFolder& folder, const JobHooks& hooks) {
  for (const RuleFinding& finding : CheckLoaderRules(folder, /*target_tp=*/1)) {
    if (finding.rule->severity == RuleSeverity::kError) {
      return WithReason(absl::InternalError(absl::StrCat("the result would not load: ", DescribeFinding(finding))),
                        "LOADER_RULE_BROKEN");
    }
    if (hooks.warning) hooks.warning("LOADER_RULE", DescribeFinding(finding));
  }
  return absl::OkStatus();
}

}  // namespace pivot
