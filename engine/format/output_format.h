// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_OUTPUT_FORMAT_H_
#define PIVOT_ENGINE_FORMAT_OUTPUT_FORMAT_H_

// The folders that an output consists of: one, which is the output itself, or several below it that hold the same
// weights, each complete.

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "engine/format/linear_storage.h"

namespace pivot {

/// Layouts of the folders of an output in this format, the one first that quality is measured of. Empty when no format
/// is called so.
std::vector<CodeLayout> LayoutsOf(absl::string_view format);

/// The name that LayoutsOf takes. Requires layouts that it gives.
absl::string_view OutputFormatName(absl::Span<const CodeLayout> layouts);

/// Name of a layout's folder below the output: "compressed-tensors", "gptq". Empty when it is the output itself.
std::string SubfolderOf(CodeLayout layout, absl::Span<const CodeLayout> layouts);

/// `output` and the subfolder, "/" between.
std::string FolderOf(absl::string_view output, CodeLayout layout, absl::Span<const CodeLayout> layouts);

/// Why layers of this scheme are not written in several layouts at once, in which all readers are to agree: "has 3
/// bits; both has 4 and 8". Empty when they are, or when there is one layout.
std::string WhyNotInAll(const WeightScheme& scheme, absl::Span<const CodeLayout> layouts);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_OUTPUT_FORMAT_H_
