// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_MODULE_EXPRESSION_H_
#define PIVOT_ENGINE_FORMAT_MODULE_EXPRESSION_H_

// Regular expressions over module names, as quantization_config objects hold them.

#include <string>

#include "absl/strings/string_view.h"

namespace pivot {

/// Whether the expression matches at the start of the name, which is how Python's re.match and every loader take it. An
/// expression that is none, or that would run for ever, matches nothing.
bool MatchesAtStart(const std::string& expression, absl::string_view name);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_MODULE_EXPRESSION_H_
