// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PAGE_SECTIONS_H_
#define PIVOT_ENGINE_PAGE_SECTIONS_H_

// The parts of the page, each of what the report has for it and empty when there is nothing.

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "engine/page/layer_grid.h"
#include "engine/page/markup.h"

namespace pivot::page {

struct PageInput {
  const nlohmann::json& report;
  const nlohmann::json& plan;
  std::vector<Layer> layers;
  LayerGrid grid;
};

/// <section> under a heading; nothing of nothing.
Markup Section(absl::string_view heading, const Markup& content);

/// A sentence that says how to read what follows.
Markup Note(absl::string_view text);

std::string ModelName(const PageInput& input);

/// Name, size before and after, quality in a line, and the facts of the job.
Markup SummarySection(const PageInput& input);

/// What a reader should know before the model is used; nothing when all went as asked.
Markup WarningSection(const PageInput& input);

/// Bits by kind of layer and block.
Markup BitsSection(const PageInput& input);

/// Relative errors by kind and block, and how far the residual streams are apart.
Markup ErrorSection(const PageInput& input);

/// Size against quality: what was measured, and what an allocation of bits estimated.
Markup QualitySection(const PageInput& input);
Markup AllocationSection(const PageInput& input);

/// Seconds by stage and by block.
Markup TimeSection(const PageInput& input);

/// Every layer in a table that is folded away; of experts one row for a block and kind.
Markup LayerSection(const PageInput& input);

}  // namespace pivot::page

#endif  // PIVOT_ENGINE_PAGE_SECTIONS_H_
