// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/plan.h"

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pivot/v1/job.pb.h"

#include "engine/format/checkpoint_folder.h"
#include "proto/json.h"
#include "tests/engine/format/compressed_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using ::nlohmann::json;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

/// Bytes of all files of a folder.
int64_t SizeOf(const std::string& folder) {
  int64_t total = 0;
  for (const auto& entry : fs::directory_iterator(folder)) total += static_cast<int64_t>(entry.file_size());
  return total;
}

class PlanTest : public ::testing::Test {
 protected:
  PlanTest() : source_(Make({})) {}

  ModelFolder Make(const TinyModelOptions& options) {
    EXPECT_OK(WriteTinyModel(folder_ / "source", options));
    return *ModelFolder::Open(folder_ / "source");
  }

  CompressSpec Spec(const char* members = "{}", DeviceKind device = DeviceKind::kCpu) {
    json task = {{"source", {{"path", folder_ / "source"}}}};
    task.merge_patch(json::parse(members));
    return *ResolveCompressSpec(task, source_, device);
  }

  TemporaryFolder folder_;
  ModelFolder source_;
};

TEST_F(PlanTest, CountsExactlyTheBytesThatAreWritten) {
  for (const TinyModelOptions& options :
       {TinyModelOptions{}, TinyModelOptions{.tied_embeddings = false, .attention_bias = true, .num_shards = 3},
        TinyModelOptions{.model_type = "qwen2", .num_blocks = 3, .dtype = Dtype::kFloat32}}) {
    const TemporaryFolder folder;
    ASSERT_OK(WriteTinyModel(folder / "source", options));
    folder.Write("source/LICENSE", "as you like");
    folder.Write("source/modeling.py", "not copied");
    const ModelFolder source = *ModelFolder::Open(folder / "source");
    for (int bits = kMinBits; bits <= kMaxBits; ++bits) {
      const CompressSpec spec{.scheme = {.bits = bits, .group_size = 16}};
      ASSERT_OK_AND_ASSIGN(const Plan plan, MakePlan(source, spec, DeviceKind::kCpu));
      const std::string output = folder / "output";
      fs::remove_all(output);
      ASSERT_OK(WriteCompressedModel(CompressWithZeros(source, spec.scheme), source, output));
      EXPECT_EQ(plan.total_bytes, SizeOf(output)) << bits << " bits";
      ASSERT_OK_AND_ASSIGN(const json summary, Inspect(output));
      EXPECT_DOUBLE_EQ(plan.bits_per_weight, summary["bits_per_weight"].get<double>());
      EXPECT_DOUBLE_EQ(plan.model_bits_per_weight, summary["model_bits_per_weight"].get<double>());
    }
  }
}

TEST_F(PlanTest, ListsEveryLinearInOrder) {
  ASSERT_OK_AND_ASSIGN(const Plan plan, MakePlan(source_, Spec(R"({"bits": 3})"), DeviceKind::kCpu));
  ASSERT_THAT(plan.modules, SizeIs(14));
  EXPECT_EQ(plan.modules[0].name, "model.layers.0.self_attn.q_proj");
  EXPECT_EQ(plan.modules[13].name, "model.layers.1.mlp.down_proj");
  for (const ModulePlan& module : plan.modules) {
    EXPECT_EQ(module.scheme, (WeightScheme{.bits = 3, .group_size = 64}));
    int64_t bytes = 0;
    for (const OutputShard& shard : OutputShards(source_, ModelSchemes::Uniform(source_.config(), *module.scheme))) {
      for (const TensorInfo& tensor : LayOutSafetensors(shard.tensors).tensors) {
        if (tensor.name.starts_with(module.name + ".weight_")) bytes += tensor.bytes();
      }
    }
    EXPECT_EQ(module.bytes, bytes) << module.name;
  }
}

TEST_F(PlanTest, SaysHowManyBitsAWeightTakes) {
  ASSERT_OK_AND_ASSIGN(const Plan plan, MakePlan(source_, Spec(R"({"bits": 4})"), DeviceKind::kCpu));
  EXPECT_DOUBLE_EQ(plan.bits_per_weight, 4.25);
  EXPECT_DOUBLE_EQ(plan.model_bits_per_weight, (4.25 * 73728 + 16.0 * 20800) / (73728 + 20800));
}

TEST_F(PlanTest, NeedsEveryTensor) {
  folder_.Write("source/config.json", TinyConfigJson({.num_blocks = 3}));
  EXPECT_THAT(OpenOriginal(folder_ / "source"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("model.layers.2.input_layernorm.weight")));
}

TEST_F(PlanTest, RefusesWhatItCouldNotCopy) {
  fs::create_symlink("/etc/passwd", folder_ / "source/notes.txt");
  EXPECT_THAT(MakePlan(source_, Spec(), DeviceKind::kCpu),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("notes.txt is a link out")));
}

TEST_F(PlanTest, HasTheKeysThatScriptsRelyOn) {
  const CompressSpec spec = Spec();
  ASSERT_OK_AND_ASSIGN(const Plan plan, MakePlan(source_, spec, DeviceKind::kCpu));
  const json object = PlanToJson(plan, source_, spec, DeviceKind::kCpu);
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  EXPECT_THAT(keys,
              UnorderedElementsAre("schema", "status", "architecture", "num_blocks", "group_size", "modules",
                                   "total_bytes", "source_bytes", "source_digest", "bits_per_weight",
                                   "model_bits_per_weight", "peak_gpu_bytes", "least_gpu_bytes", "peak_host_bytes",
                                   "disk_bytes", "est_seconds", "stages", "devices", "warnings"));
  EXPECT_EQ(object["schema"], 1);
  EXPECT_EQ(object["status"], "estimated");
  EXPECT_EQ(object["architecture"], "llama");
  EXPECT_EQ(object["num_blocks"], 2);
  EXPECT_EQ(object["group_size"], 64);
  EXPECT_EQ(object["modules"][0], json({{"name", "model.layers.0.self_attn.q_proj"},
                                        {"type", "int"},
                                        {"bits", 4},
                                        {"group_size", 64},
                                        {"method", "gptq"},
                                        {"bytes", 64 * (32 + 2) + 16}}));
  EXPECT_EQ(object["total_bytes"], plan.total_bytes);
  EXPECT_EQ(object["disk_bytes"], 2 * plan.total_bytes);
  EXPECT_EQ(object["source_bytes"], source_.weight_file_bytes());
  EXPECT_EQ(object["source_digest"], SourceDigest(source_));
  EXPECT_EQ(object["peak_gpu_bytes"], 0);
  EXPECT_EQ(object["peak_host_bytes"], plan.memory.host_bytes);
  EXPECT_EQ(object["stages"][0]["name"], "layerwise");
  EXPECT_EQ(object["stages"][1]["name"], "evaluate");
  EXPECT_NEAR(object["est_seconds"].get<double>(),
              1 + object["stages"][0]["est_seconds"].get<double>() + object["stages"][1]["est_seconds"].get<double>(),
              1e-12);
}

TEST_F(PlanTest, SaysWhetherItFitsIntoTheHost) {
  const CompressSpec spec = Spec();
  ASSERT_OK_AND_ASSIGN(Plan plan, MakePlan(source_, spec, DeviceKind::kCpu));
  const json device = PlanToJson(plan, source_, spec, DeviceKind::kCpu)["devices"][0];
  EXPECT_EQ(device["device"], "cpu");
  EXPECT_EQ(device["needed_bytes"], plan.memory.host_bytes);
  EXPECT_GT(device["available_bytes"].get<int64_t>(), 0);
  EXPECT_EQ(device["fits"], plan.memory.host_bytes <= device["available_bytes"].get<int64_t>());
  plan.memory.host_bytes = int64_t{1} << 60;
  EXPECT_EQ(PlanToJson(plan, source_, spec, DeviceKind::kCpu)["devices"][0]["fits"], false);
}

TEST_F(PlanTest, CountsTheWholeEvaluationTextOnAGpu) {
  const CompressSpec spec = Spec("{}", DeviceKind::kCuda);
  ASSERT_EQ(spec.evaluation.max_tokens, 0);
  ASSERT_OK_AND_ASSIGN(const Plan plan, MakePlan(source_, spec, DeviceKind::kCuda));
  EXPECT_GT(plan.work.evaluation, 0);
  const json object = PlanToJson(plan, source_, spec, DeviceKind::kCuda);
  EXPECT_GT(object["stages"][1]["est_seconds"].get<double>(), 0);
  EXPECT_EQ(object["peak_gpu_bytes"], plan.memory.gpu_bytes);
  EXPECT_EQ(object["devices"], json::array()) << "who knows the GPUs fills them in";
}

TEST_F(PlanTest, CountsNoEvaluationThatIsSkipped) {
  ASSERT_OK_AND_ASSIGN(const Plan plan, MakePlan(source_, Spec(R"({"evaluation": {"skip": true}})"), DeviceKind::kCpu));
  EXPECT_EQ(plan.work.evaluation, 0);
}

TEST_F(PlanTest, IsReadAsTheApisPlan) {
  const CompressSpec spec = Spec();
  ASSERT_OK_AND_ASSIGN(const Plan plan, MakePlan(source_, spec, DeviceKind::kCpu));
  const json object = PlanToJson(plan, source_, spec, DeviceKind::kCpu);
  v1::Plan message;
  ASSERT_OK(FromJson(object, &message));
  json expected = object;
  expected.erase("schema");
  EXPECT_EQ(ToJson(message), expected) << "every key but the schema is a field of pivot.v1.Plan";
}

TEST_F(PlanTest, WritesAFileOfWhatDecidesTheBytes) {
  const CompressSpec spec =
      Spec(R"({"calibration": {"text_path": "/somewhere/on this/machine.txt"}, "quantize": {"method": "rtn"}})");
  ASSERT_OK_AND_ASSIGN(const Plan plan, MakePlan(source_, spec, DeviceKind::kCpu));
  const std::string text = PlanFileJson(plan, source_, spec);
  const json object = json::parse(text);
  EXPECT_EQ(text.back(), '\n');
  EXPECT_EQ(text.find(folder_.path()), std::string::npos) << "nothing of the machine";
  EXPECT_EQ(text.find("/somewhere"), std::string::npos);
  EXPECT_EQ(object["schema"], 1);
  EXPECT_EQ(object["calibration_text"], "machine.txt");
  EXPECT_EQ(object["spec"], json::parse(CanonicalSpec(spec)));
  EXPECT_EQ(object["source_digest"], SourceDigest(source_));
  EXPECT_EQ(object["total_bytes"], plan.total_bytes);
  EXPECT_THAT(object["modules"], SizeIs(14));
  EXPECT_EQ(object["modules"][0]["method"], "rtn");
  EXPECT_EQ(json::parse(PlanFileJson(plan, source_, Spec()))["calibration_text"], "built-in");
}

TEST_F(PlanTest, CountsTheMeasurementThatABudgetTakes) {
  const auto plan_of = [&](const char* members) {
    const CompressSpec spec = Spec(members);
    return PlanToJson(*MakePlan(source_, spec, DeviceKind::kCpu), source_, spec, DeviceKind::kCpu);
  };
  const json measured = plan_of(R"({"bits": 3, "plan_kind": "auto"})");
  const json uniform = plan_of(R"({"bits": 3})");
  ASSERT_THAT(measured["stages"], SizeIs(3));
  EXPECT_EQ(measured["stages"][0]["name"], "measure");
  EXPECT_GT(measured["est_seconds"], uniform["est_seconds"]);
  EXPECT_GT(measured["peak_host_bytes"], uniform["peak_host_bytes"]);
  EXPECT_LE(measured["total_bytes"], uniform["total_bytes"]);
  EXPECT_THAT(uniform["stages"], SizeIs(2));
}

}  // namespace
}  // namespace pivot
