// SPDX-License-Identifier: Apache-2.0
#include "engine/page/layer_grid.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/engine/page/made_up_model.h"

namespace pivot::page {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::SizeIs;

std::vector<Layer> Named(const std::vector<std::string>& names) {
  std::vector<Layer> layers;
  for (const std::string& name : names) layers.push_back({.name = name});
  return layers;
}

TEST(LayerGridTest, FindsBlockAndKindInANames) {
  const LayerPlace place = PlaceOf("model.layers.12.self_attn.q_proj", Collapse::kExperts);
  EXPECT_EQ(place.block, 12);
  EXPECT_EQ(place.kind, "self_attn.q_proj");
  EXPECT_EQ(PlaceOf("model.layers.3.mlp.experts.7.up_proj", Collapse::kExperts).kind, "mlp.experts.*.up_proj");
  EXPECT_EQ(PlaceOf("h.3.mixer.7.up", Collapse::kExperts).kind, "mixer.7.up");
  EXPECT_EQ(PlaceOf("h.3.mixer.7.up", Collapse::kAll).kind, "mixer.*.up");
  EXPECT_FALSE(PlaceOf("lm_head", Collapse::kExperts).block.has_value());
  EXPECT_EQ(PlaceOf("lm_head", Collapse::kExperts).kind, "lm_head");
  EXPECT_FALSE(PlaceOf("model.layers.3", Collapse::kExperts).block.has_value()) << "no layer in a block";
  EXPECT_FALSE(PlaceOf("a.99999999999999999999.b", Collapse::kExperts).block.has_value());
}

TEST(LayerGridTest, OrdersBlocksByNumberAndKindsAsTheyCome) {
  const LayerGrid grid = ArrangeLayers(Named({"l.10.q", "l.10.o", "lm_head", "l.9.o", "l.9.q"}));
  EXPECT_THAT(grid.columns, ElementsAre("9", "10", "-"));
  EXPECT_THAT(grid.kinds, ElementsAre("q", "o", "lm_head"));
  EXPECT_THAT(grid.cells[0], ElementsAre(ElementsAre(4), ElementsAre(0), SizeIs(0)));
  EXPECT_THAT(grid.cells[2], ElementsAre(SizeIs(0), SizeIs(0), ElementsAre(2)));
}

TEST(LayerGridTest, PutsAllExpertsOfABlockIntoOneCell) {
  const MadeUpFiles files = MakeUp({.num_blocks = 2, .num_experts = 128});
  const LayerGrid grid = ArrangeLayers(ReadLayers(files.report, files.plan));
  EXPECT_THAT(grid.kinds, SizeIs(7));
  EXPECT_THAT(grid.cells[6], ElementsAre(SizeIs(128), SizeIs(128)));
}

TEST(LayerGridTest, IsBoundedWhateverNamesAre) {
  std::vector<std::string> names;
  for (int i = 0; i < 2000; ++i) names.push_back(absl::StrCat("l.", i, ".kind", i));
  const LayerGrid grid = ArrangeLayers(Named(names));
  EXPECT_LE(grid.columns.size(), 256U);
  EXPECT_EQ(grid.columns.front(), "0-7");
  EXPECT_EQ(grid.kinds.size(), 64U);
  EXPECT_EQ(grid.kinds.back(), "other layers");
  size_t placed = 0;
  for (const auto& row : grid.cells) {
    for (const auto& cell : row) placed += cell.size();
  }
  EXPECT_EQ(placed, 2000U);
}

TEST(LayerGridTest, JoinsPlanAndReport) {
  const json plan = json::parse(
      R"({"modules": [{"name": "l.0.q", "bits": 4, "bytes": 10, "method": "gptq"}, {"name": "l.0.o", "bits": 16}, {}]})");
  const json report = json::parse(
      R"({"blocks": [{"linears": [{"name": "l.0.q", "relative_error": 0.5, "bits": null}, {"name": "l.0.new"}]}, 3]})");
  const std::vector<Layer> layers = ReadLayers(report, plan);
  ASSERT_THAT(layers, SizeIs(3));
  EXPECT_EQ(layers[0].bits, 4);
  EXPECT_EQ(layers[0].bytes, 10);
  EXPECT_EQ(layers[0].relative_error, 0.5);
  EXPECT_EQ(layers[1].bits, 16);
  EXPECT_FALSE(layers[1].relative_error.has_value());
  EXPECT_EQ(layers[2].name, "l.0.new");
}

}  // namespace
}  // namespace pivot::page
