// SPDX-License-Identifier: Apache-2.0
#include "engine/format/output_format.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace pivot {
namespace {

constexpr absl::string_view kBoth = "both";

}  // namespace

std::vector<CodeLayout> LayoutsOf(absl::string_view format) {
  if (format == kBoth) return {CodeLayout::kPackQuantized, CodeLayout::kGptqV1};
  const auto layout = FindFormat(format);
  return layout.has_value() ? std::vector<CodeLayout>{*layout} : std::vector<CodeLayout>{};
}

absl::string_view OutputFormatName(absl::Span<const CodeLayout> layouts) {
  return layouts.size() > 1 ? kBoth : FormatName(layouts.front());
}

std::string SubfolderOf(CodeLayout layout, absl::Span<const CodeLayout> layouts) {
  return layouts.size() > 1 ? absl::StrReplaceAll(FormatName(layout), {{"_", "-"}}) : "";
}

std::string FolderOf(absl::string_view output, CodeLayout layout, absl::Span<const CodeLayout> layouts) {
  const std::string subfolder = SubfolderOf(layout, layouts);
  return subfolder.empty() ? std::string(output) : absl::StrCat(output, "/", subfolder);
}

std::string WhyNotInAll(const WeightScheme& scheme, absl::Span<const CodeLayout> layouts) {
  if (layouts.size() < 2) return "";
  if (scheme.bits != 4 && scheme.bits != 8) return absl::StrCat("has ", scheme.bits, " bits; both has 4 and 8");
  return scheme.is_symmetric() ? "" : "has zero points; both has symmetric layers only";
}

}  // namespace pivot
