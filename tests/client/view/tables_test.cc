// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "client/view/job_text.h"
#include "client/view/plan_table.h"
#include "client/view/report_text.h"
#include "client/view/summary.h"
#include "client/view/table.h"
#include "client/view/units.h"

namespace pivot::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

template <typename Message>
Message FromText(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

TEST(UnitsTest, GivesBytesThreeDigits) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(1000), "1.00 kB");
  EXPECT_EQ(FormatBytes(9996), "10.0 kB");
  EXPECT_EQ(FormatBytes(89'600'000), "89.6 MB");
  EXPECT_EQ(FormatBytes(999'600'000), "1.00 GB");
  EXPECT_EQ(FormatBytes(123'456'000'000), "123 GB");
}

TEST(UnitsTest, GivesTimesInTheirSize) {
  EXPECT_EQ(FormatSeconds(0.42), "0.42 s");
  EXPECT_EQ(FormatSeconds(12.3), "12 s");
  EXPECT_EQ(FormatSeconds(59.7), "1m 00s");
  EXPECT_EQ(FormatSeconds(185), "3m 05s");
  EXPECT_EQ(FormatSeconds(7620), "2h 07m");
  EXPECT_EQ(FormatSeconds(std::numeric_limits<double>::quiet_NaN()), "-");
}

TEST(UnitsTest, SeparatesThousands) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(134'515'008), "134,515,008");
  EXPECT_EQ(FormatCount(-1234), "-1,234");
}

TEST(UnitsTest, CutsBetweenCharacters) {
  EXPECT_EQ(DisplayWidth("größe"), 5U);
  EXPECT_EQ(CutToWidth("größe", 3), "grö");
  EXPECT_EQ(CutToWidth("größe", 9), "größe");
}

TEST(TableTest, AlignsColumns) {
  Table table({{"name"}, {"size", Align::kRight}, {"note"}});
  table.AddRow({"größer", "1"});
  table.AddRow({"b", "12,345", "x"});
  EXPECT_EQ(table.Render(),
            "name      size  note\n"
            "größer       1\n"
            "b       12,345  x\n");
}

TEST(TableTest, HasNoHeadingLineWithoutHeadings) {
  Table table({{""}, {"", Align::kRight}});
  table.AddRow({"a", "1"});
  EXPECT_EQ(table.Render(), "a  1\n");
}

CompressionSummary SomeSummary() {
  return {
      .source_bytes = 269'060'552,
      .folders = {{.name = "", .bytes = 113'089'000}},
      .checkpoint = FromText<v1::CheckpointRef>("bits_per_weight: 4.25 model_bits_per_weight: 6.726 seconds: 312 "
                                                "quality { perplexity: 24.9 kl_mean: 0.0421 top1_agreement: 0.912 }"),
      .original = FromText<v1::Quality>("perplexity: 23.4125"),
      .output = "/a/model-4bit"};
}

TEST(SummaryTest, ShowsBeforeAndAfter) {
  EXPECT_EQ(RenderSummary(SomeSummary()),
            "                                   original  compressed\n"
            "weight files                         269 MB      113 MB\n"
            "bits per weight, quantized layers     16.00        4.25\n"
            "bits per weight, whole model          16.00        6.73\n"
            "perplexity                           23.413      24.900\n"
            "KL(original || compressed), mean                 0.0421\n"
            "top-1 agreement                                  91.2 %\n"
            "time                                             5m 12s\n"
            "\n"
            "/a/model-4bit\n");
}

TEST(SummaryTest, LeavesOutWhatWasNotMeasured) {
  CompressionSummary summary = SomeSummary();
  summary.original.reset();
  summary.checkpoint.clear_quality();
  EXPECT_THAT(RenderSummary(summary), Not(HasSubstr("perplexity")));
}

TEST(WeightFoldersTest, CountWeightFilesOfEitherKind) {
  const auto folders = WeightFoldersOf({.files = {{.path = "a/model-00001-of-00002.safetensors", .size = 3},
                                                  {.path = "a/model-00002-of-00002.safetensors", .size = 4},
                                                  {.path = "a/config.json", .size = 50},
                                                  {.path = "model.gguf", .size = 5}}});
  ASSERT_EQ(folders.size(), 2U);
  EXPECT_EQ(folders[0].name, "");
  EXPECT_EQ(folders[0].bytes, 5);
  EXPECT_EQ(folders[1].name, "a");
  EXPECT_EQ(folders[1].bytes, 7);
}

TEST(SummaryTest, GivesScriptsEveryKeyOfEveryPivot) {
  const auto job = FromText<v1::Job>(
      "name: 'projects/default/jobs/j' checkpoints { number: 0 bytes: 115 bits_per_weight: 4.25 seconds: 3 "
      "quality { perplexity: 24.5 kl_mean: 0.5 } } checkpoints { number: 1 }");
  const nlohmann::json done = DoneJson(job, "/out");
  EXPECT_EQ(done["event"], "done");
  EXPECT_EQ(done["job"], "projects/default/jobs/j");
  EXPECT_EQ(done["output"], "/out");
  EXPECT_EQ(done["pivots"][0]["number"], 0);
  EXPECT_EQ(done["pivots"][0]["bytes"], 115);
  EXPECT_EQ(done["pivots"][0]["bits_per_weight"], 4.25);
  EXPECT_EQ(done["pivots"][0]["perplexity"], 24.5);
  EXPECT_EQ(done["pivots"][0]["kl_mean"], 0.5);
  EXPECT_EQ(done["pivots"][0]["seconds"], 3);
  EXPECT_TRUE(done["pivots"][1]["perplexity"].is_null());
  EXPECT_TRUE(DoneJson(job, "")["output"].is_null());
}

TEST(PlanTableTest, SumsModulesByKind) {
  const auto plan = FromText<v1::Plan>(R"(
      status: 'estimated' architecture: 'llama' num_blocks: 2 source_bytes: 1000 total_bytes: 300 bits_per_weight: 4.25
      model_bits_per_weight: 6.5 peak_host_bytes: 2000 disk_bytes: 600 est_seconds: 61
      modules { name: 'model.layers.0.mlp.up_proj' bits: 4 group_size: 64 method: 'gptq' bytes: 10 }
      modules { name: 'model.layers.1.mlp.up_proj' bits: 4 group_size: 64 method: 'gptq' bytes: 20 }
      modules { name: 'model.layers.0.self_attn.q_proj' bits: 3 group_size: 64 method: 'gptq' bytes: 5 }
      stages { name: 'layerwise' est_seconds: 60 }
      devices { device: 'cpu' fits: true needed_bytes: 2000 available_bytes: 5000 }
      warnings: 'something')");
  EXPECT_EQ(RenderPlan(plan),
            "llama, 2 blocks; estimated\n"
            "\n"
            "modules  count  bits  group size  method  size\n"
            "q_proj       1     3          64  gptq     5 B\n"
            "up_proj      2     4          64  gptq    30 B\n"
            "\n"
            "original weights                   1.00 kB\n"
            "compressed folder                    300 B\n"
            "bits per weight, quantized layers     4.25\n"
            "bits per weight, whole model          6.50\n"
            "peak memory, host                  2.00 kB\n"
            "disk while it works                  600 B\n"
            "time                                1m 01s\n"
            "  layerwise                         1m 00s\n"
            "\n"
            "device  fits   needed  available\n"
            "cpu     yes   2.00 kB    5.00 kB\n"
            "\n"
            "warning: something\n");
}

TEST(JobTextTest, ListsJobs) {
  const auto job = FromText<v1::Job>(R"(
      name: 'projects/default/jobs/abc' state: STATE_RUNNING create_time { seconds: 1000 }
      spec { compress { source { path: '/m' } } } progress { stage: 'layerwise' done: 3 total: 30 })");
  EXPECT_EQ(RenderJobs({job}, absl::FromUnixSeconds(1090)),
            "job  state    task            progress           age  source\n"
            "abc  running  compress 4 bit  layerwise 3/30  1m 30s  /m\n");
}

TEST(JobTextTest, ShowsOneJob) {
  const auto job = FromText<v1::Job>(R"(
      name: 'projects/default/jobs/abc' state: STATE_FAILED create_time { seconds: 0 } error { code: 13 message: 'it broke' }
      spec { evaluate { source { path: '/m' } } }
      attempts { number: 1 device: 'cpu' cause: 'WORKER_CRASHED' resumed_blocks: 2 }
      checkpoints { number: 0 bytes: 1000 bits_per_weight: 4.25 })");
  EXPECT_EQ(RenderJob(job),
            "name       projects/default/jobs/abc\n"
            "state      failed\n"
            "error      it broke\n"
            "task       evaluate\n"
            "source     /m\n"
            "created    1970-01-01 00:00:00 UTC\n"
            "attempt 1  cpu, ended: WORKER_CRASHED, 2 blocks taken over\n"
            "pivot 0    1.00 kB, 4.25 bits per weight\n");
}

TEST(ReportTextTest, SumsUpAReport) {
  const auto report = nlohmann::json::parse(R"({
      "schema": 1, "job": "j", "plan": {"bits": 4, "group_size": 64}, "numerics": {"dtype": "float32"},
      "quality": {"original": {"perplexity": 23.5, "bytes": 2000}, "pivots": [{"number": 0, "perplexity": 24.5, "kl_mean": 0.04}]},
      "stages": [{"name": "layerwise", "seconds": 12, "flops": 2e12}],
      "blocks": [{"block": 0, "seconds": 3, "relative_error": 0.01,
                  "linears": [{"name": "q", "bits": 4, "relative_error": 0.001, "dead_columns": 0},
                              {"name": "v", "bits": 4, "relative_error": 0.02, "percdamp": 0.01}]}]})");
  const std::string text = RenderReport(report, Detail::kNormal);
  EXPECT_THAT(text, HasSubstr("pivot 0                                 24.500     0.04"));
  EXPECT_THAT(text, HasSubstr("layerwise  12 s   2.00"));
  EXPECT_THAT(text, HasSubstr("    0  3.00 s            0.01"));
  EXPECT_LT(text.find("\nv "), text.find("\nq "));
}

TEST(ReportTextTest, SaysWhatBecameOfDocuments) {
  const auto report = nlohmann::json::parse(R"({
      "calibration": {"name": "a.jsonl", "tokens_used": 4096, "strategy": "drop_rand", "distinct_tokens": 4000,
                      "documents": {"total": 12, "read": 10, "kept": 4,
                                    "dropped": {"empty": 0, "too_short": 3, "quality": {"short": 1, "urls": 0, "html": 2}}}}})");
  const std::string text = RenderReport(report, Detail::kNormal);
  EXPECT_THAT(text, HasSubstr("4 of 10 read of 12; dropped: 3 too_short, 2 html, 1 short"));
  EXPECT_THAT(text, HasSubstr("drop_rand"));
  EXPECT_THAT(text, HasSubstr("4,096 (4,000 distinct)"));
}

TEST(ReportTextTest, ToleratesWhatIsMissingOrOfAnotherType) {
  EXPECT_EQ(RenderReport(nlohmann::json::object(), Detail::kAll), "");
  const auto odd =
      nlohmann::json::parse(R"({"plan": 3, "quality": [], "stages": {"a": 1}, "blocks": [1, {"linears": "x"}]})");
  EXPECT_THAT(RenderReport(odd, Detail::kAll), HasSubstr("block"));
}

}  // namespace
}  // namespace pivot::client
