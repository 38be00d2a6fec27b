// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PAGE_STYLE_SHEET_H_
#define PIVOT_ENGINE_PAGE_STYLE_SHEET_H_

// The look of the page, in light, in the dark and on paper.

#include "absl/strings/string_view.h"

namespace pivot::page {

/// CSS without any character that markup escapes.
absl::string_view StyleSheet();

}  // namespace pivot::page

#endif  // PIVOT_ENGINE_PAGE_STYLE_SHEET_H_
