// SPDX-License-Identifier: Apache-2.0
#include "engine/page/report_page.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/engine/page/made_up_model.h"
#include "tests/engine/page/page_elements.h"

namespace pivot {
namespace {

using nlohmann::json;
using page::MadeUpAllocation;
using page::MadeUpFiles;
using page::MadeUpModel;
using page::MakeUp;
using page::PageElements;
using page::TakeApart;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

PageElements Drawn(const json& report, const json& plan) {
  PageElements elements = TakeApart(ReportPage(report, plan));
  EXPECT_EQ(elements.fault, "");
  return elements;
}

PageElements Drawn(const MadeUpFiles& files) { return Drawn(files.report, files.plan); }

/// Cells of the heat map of bits, by their colours.
size_t CountBits(const PageElements& drawn) {
  size_t count = drawn.Count("rect", "none");
  for (const int bits : {2, 3, 4, 5, 6, 7, 8, 16}) count += drawn.Count("rect", absl::StrCat("b", bits));
  return count;
}

class SizeTest : public ::testing::TestWithParam<MadeUpModel> {};

TEST_P(SizeTest, HasACellForEachKindInEachBlock) {
  const PageElements drawn = Drawn(MakeUp(GetParam()));
  const auto cells = static_cast<size_t>(GetParam().num_blocks) * 7;
  EXPECT_EQ(CountBits(drawn), cells);
  size_t errors = 0;
  for (int shade = 0; shade < 7; ++shade) errors += drawn.Count("rect", absl::StrCat("e", shade));
  EXPECT_EQ(errors, cells);
  EXPECT_EQ(drawn.Count("td"), cells * 9 + 12) << "of layers, and two rows of quality";
}

INSTANTIATE_TEST_SUITE_P(Models, SizeTest,
                         ::testing::Values(MadeUpModel{.num_blocks = 1}, MadeUpModel{.num_blocks = 30},
                                           MadeUpModel{.num_blocks = 80},
                                           MadeUpModel{.num_blocks = 48, .num_experts = 128},
                                           MadeUpModel{.num_blocks = 30, .is_mixed = false}),
                         [](const auto& test) {
                           return absl::StrCat(test.param.num_blocks, "blocks", test.param.num_experts, "experts",
                                               test.param.is_mixed ? "Mixed" : "Uniform");
                         });

TEST(ReportPageTest, ColoursTellBits) {
  const PageElements mixed = Drawn(MakeUp({.num_blocks = 8}));
  for (const int bits : {2, 3, 4, 5, 6, 7, 8, 16}) EXPECT_EQ(mixed.Count("rect", absl::StrCat("b", bits)), 7U) << bits;
  EXPECT_THAT(mixed.Texts("title"), Contains("model.layers.0.self_attn.q_proj: 2 bits, group size 128, 2.00 kB"));
  EXPECT_THAT(mixed.Texts("title"),
              Contains("model.layers.1.self_attn.q_proj: kept (16 bits), group size 128, 16.0 kB"));
  EXPECT_THAT(mixed.Texts("li"), IsSupersetOf({"4 bits: 7 layers, 28.0 kB", "kept (16 bits): 7 layers, 112 kB"}));
  const PageElements uniform = Drawn(MakeUp({.num_blocks = 8, .is_mixed = false}));
  EXPECT_EQ(uniform.Count("rect", "b4"), 56U);
  EXPECT_EQ(uniform.Count("rect", "none"), 0U);
}

TEST(ReportPageTest, LayersThatThePlanLacksAreShownAsNotQuantized) {
  MadeUpFiles files = MakeUp({.num_blocks = 3, .is_mixed = false});
  files.plan["modules"].erase(8);
  files.report["blocks"][1]["linears"].erase(1);
  const PageElements drawn = Drawn(files);
  EXPECT_EQ(drawn.Count("rect", "b4"), 20U);
  EXPECT_EQ(drawn.Count("rect", "none"), 2U) << "of bits and of errors";
  EXPECT_THAT(drawn.Texts("title"), Contains("block 1, self_attn.k_proj: not quantized, or there is no such layer"));
}

TEST(ReportPageTest, ExpertsOfABlockAreOneCell) {
  const PageElements drawn = Drawn(MakeUp({.num_blocks = 2, .num_experts = 16, .is_mixed = false}));
  EXPECT_EQ(CountBits(drawn), 14U);
  EXPECT_THAT(drawn.Texts("title"),
              Contains("block 1, mlp.experts.*.up_proj: 16 layers, 4 bits, group size 128, 64.0 kB"));
}

TEST(ReportPageTest, SaysWhatChanged) {
  const std::string page = ReportPage(MakeUp({}).report, MakeUp({}).plan);
  EXPECT_THAT(TakeApart(page).Texts("h1"), ElementsAre("Made-Up-8B"));
  for (const char* fact : {"16.0 GB → 4.60 GB", "3.48 times smaller", "6.140 → 6.310", "+2.77 %", "0.021", "95.3 %",
                           "1m 40s", "a device", "projects/default/jobs/made-up"}) {
    EXPECT_THAT(page, HasSubstr(fact));
  }
}

TEST(ReportPageTest, NamesAreTextWhateverTheyAre) {
  MadeUpFiles files = MakeUp({.num_blocks = 2});
  const std::string hostile = "</title></style><script>alert('1')</script><img src=x onerror=\"alert(2)\">";
  const auto poison = [&hostile](json* object, const char* key) { (*object)[key] = hostile; };
  poison(&files.report["source"], "name");
  poison(&files.report, "job");
  poison(&files.report["numerics"], "device_name");
  poison(&files.report["stages"][0], "name");
  poison(&files.plan, "architecture");
  poison(&files.plan["modules"][0], "type");
  files.report["warnings"] = {hostile};
  files.report["allocation"] = MadeUpAllocation();
  poison(&files.report["allocation"]["probes"][0], "name");
  for (json* list : {&files.plan["modules"], &files.report["blocks"][0]["linears"]}) {
    (*list)[1]["name"] = "model.layers.0." + hostile;
    (*list)[1]["dead_columns"] = 1;
    (*list)[1]["fallback"] = hostile;
    (*list)[2]["name"] = hostile;
  }
  const std::string page = ReportPage(files.report, files.plan);
  const PageElements drawn = TakeApart(page);
  EXPECT_EQ(drawn.fault, "");
  EXPECT_EQ(drawn.Count("script") + drawn.Count("img"), 0U);
  EXPECT_THAT(page,
              HasSubstr("model.layers.0.&lt;/title&gt;&lt;/style&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  for (const page::PageElement& element : drawn.elements) EXPECT_FALSE(element.attributes.contains("onerror"));
}

TEST(ReportPageTest, NeedsNothingFromElsewhere) {
  const PageElements drawn = Drawn(MakeUp({.num_blocks = 2}));
  for (const page::PageElement& element : drawn.elements) {
    EXPECT_THAT(element.tag, Not(::testing::AnyOf("script", "link", "img", "iframe", "object", "a", "use")));
    for (const char* name : {"src", "href", "style", "onclick"})
      EXPECT_FALSE(element.attributes.contains(name)) << element.tag;
  }
  const std::string page = ReportPage(MakeUp({}).report, MakeUp({}).plan);
  EXPECT_THAT(page, Not(HasSubstr("http://")));
  EXPECT_THAT(page, Not(HasSubstr("https://")));
  EXPECT_THAT(page, HasSubstr("default-src &#39;none&#39;"));
}

TEST(ReportPageTest, DrawingsSayWhatTheyShow) {
  const PageElements drawn = Drawn(MakeUp({.num_blocks = 2}));
  EXPECT_EQ(drawn.Count("svg"), 8U) << "bits, errors twice, stream, KL, perplexity, stages, blocks";
  for (const page::PageElement& element : drawn.elements) {
    if (element.tag != "svg") continue;
    EXPECT_EQ(element.attributes.at("role"), "img");
    EXPECT_THAT(element.attributes.at("aria-label"), Not(IsEmpty()));
  }
}

TEST(ReportPageTest, DrawsAnAllocationThatIsThere) {
  MadeUpFiles files = MakeUp({.num_blocks = 2});
  const PageElements without = Drawn(files);
  files.report["allocation"] = MadeUpAllocation();
  const PageElements with = Drawn(files);
  EXPECT_EQ(with.Count("svg"), without.Count("svg") + 1) << "the probes";
  // Three uniform models, two plans, two probes.
  EXPECT_EQ(with.Count("circle"), without.Count("circle") + 7);
  EXPECT_THAT(with.Texts("title"), Contains("mixed bits, estimated, 2.5 bits: 2.50 GB, estimated KL 0.04"));
  EXPECT_THAT(with.Texts("p"), Contains(HasSubstr("Rank correlation: 0.987.")));
  EXPECT_THAT(without.Texts("h2"), Not(Contains("How far the estimates hold")));
}

TEST(ReportPageTest, LeavesOutWhatWasNotEvaluated) {
  MadeUpFiles files = MakeUp({.num_blocks = 2});
  files.report["quality"] = {{"pivots", {{{"number", 0}, {"bytes", 5}, {"bits_per_weight", 4.0}}}}};
  const PageElements drawn = Drawn(files);
  EXPECT_THAT(drawn.Texts("p"), Contains("Quality was not evaluated."));
  EXPECT_EQ(drawn.Count("svg"), 6U);
}

TEST(ReportPageTest, TakesARoundedModelWithoutCalibration) {
  MadeUpFiles files = MakeUp({.num_blocks = 2});
  files.plan["spec"] = {{"method", "rtn"}};
  for (json& block : files.report["blocks"]) {
    block["stream_distance"] = 0.0;
    for (json& linear : block["linears"]) linear.erase("percdamp");
  }
  const PageElements drawn = Drawn(files);
  EXPECT_THAT(drawn.Texts("h3"), Not(Contains("Residual stream")));
  EXPECT_THAT(drawn.Texts("p"), Contains(HasSubstr("error of a layer&#39;s weights")));
}

TEST(ReportPageTest, StandsAnyJson) {
  for (
      const char* report :
      {"{}", "[]", "null", "3", R"({"blocks": 3, "stages": {}, "quality": []})",
       R"({"blocks": [1, {"block": "x", "linears": [null, {"name": 5}]}], "stages": [0, {"seconds": 1e308}, {"seconds": 1e308}],
                                 "seconds": -1e308, "quality": {"original": 1, "pivots": [2, {"bytes": 1e308, "kl_mean": 1e308}, {"bytes": -1, "kl_mean": -1}]},
                                 "plan": "", "source": {"bytes": 0}, "allocation": {"curve": [3], "probes": {}}})"}) {
    for (
        const char* plan :
        {"{}", "[]",
         R"({"modules": [5, {}, {"name": "a.0.b", "bits": -1e300, "bytes": 1e300, "group_size": "x"}, {"name": "a.1.b"}]})"}) {
      EXPECT_EQ(TakeApart(ReportPage(json::parse(report), json::parse(plan))).fault, "") << report << plan;
    }
  }
}

TEST(ReportPageTest, EachSectionStandsWithoutTheOthers) {
  const MadeUpFiles files = MakeUp({.num_blocks = 2});
  for (const auto& [key, value] : files.report.items()) {
    json report = files.report;
    report.erase(key);
    EXPECT_THAT(Drawn(report, files.plan).Texts("h2"), Not(IsEmpty())) << key;
    EXPECT_THAT(Drawn({{key, value}}, json::object()).Texts("h1"), ::testing::SizeIs(1)) << key;
  }
}

TEST(ReportPageTest, WarnsOfWhatWentOtherwiseThanAsked) {
  MadeUpFiles files = MakeUp({.num_blocks = 2, .num_experts = 4});
  EXPECT_THAT(Drawn(files).Texts("h2"), Not(Contains("Warnings")));
  json& linears = files.report["blocks"][0]["linears"];
  linears[0]["percdamp"] = 0.04;
  linears[1]["dead_columns"] = 3;
  linears[5].update({{"fallback", "shared"}, {"tokens", 12}});
  linears[6].update({{"fallback", "none"}, {"tokens", 500}});
  files.report["warnings"] = {{{"reason", "X"}, {"message", "something else"}}};
  const PageElements drawn = Drawn(files);
  EXPECT_THAT(drawn.Texts("h2"), Contains("Warnings"));
  EXPECT_THAT(drawn.Texts("summary"),
              IsSupersetOf({HasSubstr("1 layer was damped more than asked for (0.01)"),
                            HasSubstr("1 layer has inputs that were zero"),
                            HasSubstr("1 layer of an expert had too few calibration tokens of its own (1 shared)")}));
  EXPECT_THAT(drawn.Texts("li"),
              IsSupersetOf({HasSubstr("q_proj: damping 0.04"), HasSubstr("k_proj: 3 dead columns"),
                            HasSubstr("experts.1.gate_proj: shared, 12 tokens"), HasSubstr("something else")}));
}

TEST(ReportPageTest, StaysSmall) {
  const MadeUpFiles large = MakeUp({.num_blocks = 80});
  EXPECT_LT(ReportPage(large.report, large.plan).size(), 1'500'000U);
  MadeUpFiles experts = MakeUp({.num_blocks = 48, .num_experts = 128});
  for (json& block : experts.report["blocks"]) {
    for (json& linear : block["linears"]) linear.update({{"fallback", "shared"}, {"tokens", 3}, {"dead_columns", 1}});
  }
  EXPECT_LT(ReportPage(experts.report, experts.plan).size(), 1'500'000U);
  json modules = json::array();
  for (int i = 0; i < 20'000; ++i)
    modules.push_back({{"name", absl::StrCat("l.", i, ".", std::string(200, '<'), i)}, {"bits", 4}});
  EXPECT_LT(ReportPage(json::object(), {{"modules", modules}}).size(), 30'000'000U);
}

TEST(ReportPageTest, EqualInputGivesEqualBytes) {
  const MadeUpFiles files = MakeUp({});
  const json again = json::parse(files.report.dump(1));
  EXPECT_EQ(ReportPage(files.report, files.plan), ReportPage(again, files.plan));
}

}  // namespace
}  // namespace pivot
