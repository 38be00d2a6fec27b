// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/compress_spec.h"

#include <functional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using ::nlohmann::json;
using ::testing::HasSubstr;

json Task(const char* members = "{}") {
  json task = {{"source", {{"path", "/models/tiny"}}}};
  task.merge_patch(json::parse(members));
  return task;
}

class CompressSpecTest : public ::testing::Test {
 protected:
  CompressSpecTest() : model_(Make({})) {}

  ModelFolder Make(const TinyModelOptions& options) {
    EXPECT_OK(WriteTinyModel(folder_ / "model", options));
    return *ModelFolder::Open(folder_ / "model");
  }

  absl::StatusOr<CompressSpec> Resolve(const json& task, DeviceKind device = DeviceKind::kCpu) {
    return ResolveCompressSpec(task, model_, device);
  }

  TemporaryFolder folder_;
  ModelFolder model_;
};

TEST_F(CompressSpecTest, FillsInWhatTheCpuCanDo) {
  ASSERT_OK_AND_ASSIGN(const CompressSpec spec, Resolve(Task()));
  EXPECT_EQ(spec.source_path, "/models/tiny");
  EXPECT_EQ(spec.scheme, (WeightScheme{.bits = 4, .group_size = 64}));
  EXPECT_EQ(spec.quantize.method, Method::kGptq);
  EXPECT_EQ(spec.quantize.percdamp, 0.01);
  EXPECT_EQ(spec.quantize.regularization, 1.0);
  EXPECT_EQ(spec.quantize.qep_alpha, 0.35);
  EXPECT_EQ(spec.quantize.qep_residual, 0.35);
  EXPECT_EQ(spec.quantize.qep_percdamp, 0.1);
  EXPECT_EQ(spec.quantize.clip_search, ClipSearch::kConditional);
  EXPECT_EQ(spec.quantize.scale_signs, ScaleSigns::kEither);
  EXPECT_EQ(spec.quantize.refine_sweeps, 4);
  EXPECT_EQ(spec.quantize.act_order, ActOrder::kWeight);
  EXPECT_EQ(spec.calibration.text_path, "");
  EXPECT_EQ(spec.calibration.num_samples, 64);
  EXPECT_EQ(spec.calibration.sequence_length, 512);
  EXPECT_EQ(spec.calibration.seed, 0);
  EXPECT_EQ(spec.calibration.strategy, SamplingStrategy::kConcatRandom);
  EXPECT_FALSE(spec.calibration.quality_filter);
  EXPECT_EQ(spec.calibration.num_tokens(), 64 * 512);
  EXPECT_FALSE(spec.evaluation.skip);
  EXPECT_EQ(spec.evaluation.text_path, "");
  EXPECT_EQ(spec.evaluation.max_tokens, 32768);
  EXPECT_EQ(spec.dtype, ComputeDtype::kAutomatic);
}

TEST_F(CompressSpecTest, FillsInMoreForAGpu) {
  model_ = Make({.max_positions = 4096});
  ASSERT_OK_AND_ASSIGN(const CompressSpec spec, Resolve(Task(), DeviceKind::kCuda));
  EXPECT_EQ(spec.calibration.num_samples, 512);
  EXPECT_EQ(spec.calibration.sequence_length, 2048);
  EXPECT_EQ(spec.evaluation.max_tokens, 0);
}

TEST_F(CompressSpecTest, KeepsToTheModelsPositions) {
  model_ = Make({.max_positions = 100});
  EXPECT_EQ(Resolve(Task())->calibration.sequence_length, 100);
  EXPECT_EQ(Resolve(Task(), DeviceKind::kCuda)->calibration.sequence_length, 100);
}

TEST_F(CompressSpecTest, TakesWhatIsGiven) {
  ASSERT_OK_AND_ASSIGN(const CompressSpec spec, Resolve(Task(R"({
    "bits": 3.0, "group_size": 16, "compute_dtype": "bfloat16",
    "quantize": {"method": "rtn", "percdamp": 1, "qep_alpha": 0, "clip_search": "none", "act_order": "none"},
    "calibration": {"text_path": "/c.txt", "num_samples": 7, "sequence_length": 9, "seed": -3,
                    "text_key": "a.b", "strategy": "drop_rand", "quality_filter": true},
    "evaluation": {"text_path": "/e.txt", "max_tokens": 11}})")));
  EXPECT_EQ(spec.scheme, (WeightScheme{.bits = 3, .group_size = 16}));
  EXPECT_EQ(spec.dtype, ComputeDtype::kBfloat16);
  EXPECT_EQ(spec.quantize.method, Method::kRtn);
  EXPECT_EQ(spec.quantize.percdamp, 1.0);
  EXPECT_EQ(spec.quantize.qep_alpha, 0.0);
  EXPECT_EQ(spec.quantize.qep_residual, 0.0);
  EXPECT_EQ(spec.quantize.clip_search, ClipSearch::kNone);
  EXPECT_EQ(spec.quantize.act_order, ActOrder::kNone);
  EXPECT_EQ(spec.calibration.text_path, "/c.txt");
  EXPECT_EQ(spec.calibration.num_samples, 7);
  EXPECT_EQ(spec.calibration.sequence_length, 9);
  EXPECT_EQ(spec.calibration.seed, -3);
  EXPECT_EQ(spec.calibration.text_key, "a.b");
  EXPECT_EQ(spec.calibration.strategy, SamplingStrategy::kDropRandom);
  EXPECT_TRUE(spec.calibration.quality_filter);
  EXPECT_EQ(spec.evaluation.text_path, "/e.txt");
  EXPECT_EQ(spec.evaluation.max_tokens, 11);
}

TEST_F(CompressSpecTest, TakesZeroAndUnspecifiedForTheDefault) {
  ASSERT_OK_AND_ASSIGN(const CompressSpec plain, Resolve(Task()));
  ASSERT_OK_AND_ASSIGN(const CompressSpec zeros, Resolve(Task(R"({
    "bits": 0, "group_size": 0, "compute_dtype": "unspecified", "quantize": {"method": "unspecified", "clip_search": "unspecified", "act_order": "unspecified"},
    "calibration": {"text_path": "", "num_samples": 0, "sequence_length": 0}, "evaluation": {"skip": false, "max_tokens": 0}})")));
  EXPECT_EQ(CanonicalSpec(plain), CanonicalSpec(zeros));
  EXPECT_EQ(zeros.evaluation.max_tokens, 32768);
  EXPECT_EQ(zeros.dtype, ComputeDtype::kAutomatic);
}

TEST_F(CompressSpecTest, MaySkipTheEvaluation) {
  ASSERT_OK_AND_ASSIGN(const CompressSpec spec, Resolve(Task(R"({"evaluation": {"skip": true}})")));
  EXPECT_TRUE(spec.evaluation.skip);
}

TEST_F(CompressSpecTest, ChoosesTheLargestGroupThatDividesEveryLinear) {
  model_ = Make({.hidden_size = 256, .intermediate_size = 384, .num_heads = 4, .num_kv_heads = 4, .head_dim = 64});
  EXPECT_EQ(Resolve(Task())->scheme.group_size, 128);
  model_ = Make({.intermediate_size = 96});
  EXPECT_EQ(Resolve(Task())->scheme.group_size, 32);
  model_ = Make({.num_heads = 2, .num_kv_heads = 1, .head_dim = 24});
  const auto spec = Resolve(Task());
  EXPECT_THAT(
      spec,
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("none of 128, 64, 32 divides all of the model's in_features (64, 64, 64, 48, 64, 64, 128)")));
  EXPECT_EQ(FieldOf(spec.status()), "job.spec.compress.group_size");
  EXPECT_EQ(Resolve(Task(R"({"group_size": 16})"))->scheme.group_size, 16);
  EXPECT_EQ(Resolve(Task(R"({"group_size": -1})"))->scheme.group_size, 0) << "the whole row";
}

TEST_F(CompressSpecTest, HasNothingToChooseInFloatingPointFormats) {
  EXPECT_EQ(Resolve(Task(R"({"format": "fp8"})"))->scheme, *FloatScheme("fp8"));
  EXPECT_EQ(Resolve(Task(R"({"format": "nvfp4", "bits": 4, "group_size": 16})"))->scheme, *FloatScheme("nvfp4"));
  ASSERT_OK_AND_ASSIGN(const CompressSpec spec, Resolve(Task(R"({"format": "mxfp4"})")));
  EXPECT_EQ(spec.scheme, *FloatScheme("mxfp4"));
  EXPECT_EQ(spec.layout, CodeLayout::kPackQuantized);
  EXPECT_THAT(CanonicalSpec(spec), HasSubstr("\"type\":\"mxfp4\""));
}

/// Members that make the task invalid, the field at fault, and a part of what is said.
struct Fault {
  const char* name;
  const char* members;
  const char* field;
  const char* problem;
};

class CompressSpecFaultTest : public CompressSpecTest, public ::testing::WithParamInterface<Fault> {};

TEST_P(CompressSpecFaultTest, NamesTheField) {
  const auto spec = Resolve(Task(GetParam().members));
  EXPECT_THAT(spec, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().problem)));
  EXPECT_EQ(ReasonOf(spec.status()), "INVALID_SPEC");
  EXPECT_EQ(FieldOf(spec.status()), std::string("job.spec.compress.") + GetParam().field);
}

INSTANTIATE_TEST_SUITE_P(
    Ranges, CompressSpecFaultTest,
    ::testing::Values(
        Fault{"bits_one", R"({"bits": 1})", "bits", "is 1; allowed: 2 to 8"},
        Fault{"bits_nine", R"({"bits": 9})", "bits", "is 9"},
        Fault{"bits_fraction", R"({"bits": 3.5, "plan_kind": "uniform"})", "bits", "is 3.5; a uniform model"},
        Fault{"bits_negative", R"({"bits": -4})", "bits", "is -4"},
        Fault{"bits_huge", R"({"bits": 1e300})", "bits", "allowed: 2 to 8"},
        Fault{"group_48", R"({"group_size": 48})", "group_size", "48 does not divide the model's in_features 64"},
        Fault{"group_128", R"({"group_size": 128})", "group_size", "128 does not divide the model's in_features 64"},
        Fault{"group_negative", R"({"group_size": -2})", "group_size", "-2 does not divide"},
        Fault{"method", R"({"quantize": {"method": "awq"}})", "quantize.method", "is \"awq\"; allowed: gptq, rtn"},
        Fault{"clip_search", R"({"quantize": {"clip_search": "all"}})", "quantize.clip_search",
              "allowed: none, conditional"},
        Fault{"act_order", R"({"quantize": {"act_order": "group"}})", "quantize.act_order", "allowed: none, weight"},
        Fault{"percdamp_zero", R"({"quantize": {"percdamp": 0}})", "quantize.percdamp", "above 0 and at most 1"},
        Fault{"percdamp_above", R"({"quantize": {"percdamp": 1.01}})", "quantize.percdamp", "above 0 and at most 1"},
        Fault{"percdamp_negative", R"({"quantize": {"percdamp": -0.01}})", "quantize.percdamp",
              "above 0 and at most 1"},
        Fault{"residual_above", R"({"quantize": {"qep_residual": 1.5}})", "quantize.qep_residual", "from 0 to 1"},
        Fault{"qep_percdamp", R"({"quantize": {"qep_percdamp": 0}})", "quantize.qep_percdamp", "above 0 and at most 1"},
        Fault{"regularization", R"({"quantize": {"regularization": -1}})", "quantize.regularization", "from 0 to 100"},
        Fault{"sweeps", R"({"quantize": {"refine_sweeps": 101}})", "quantize.refine_sweeps", "from 0 to 100"},
        Fault{"signs", R"({"quantize": {"scale_signs": "both"}})", "quantize.scale_signs", "positive, either"},
        Fault{"alpha_above", R"({"quantize": {"qep_alpha": 1.5}})", "quantize.qep_alpha", "from 0 to 1"},
        Fault{"alpha_negative", R"({"quantize": {"qep_alpha": -0.1}})", "quantize.qep_alpha", "from 0 to 1"},
        Fault{"samples_negative", R"({"calibration": {"num_samples": -1}})", "calibration.num_samples",
              "from 1 to 1,000,000"},
        Fault{"strategy", R"({"calibration": {"strategy": "drop"}})", "calibration.strategy",
              "allowed: concat_rand, concat_chunk, drop_rand, drop_head"},
        Fault{"skipped_key", R"({"evaluation": {"skip": true, "text_key": "a"}})", "evaluation.skip",
              "leaves no use for a text"},
        Fault{"samples_many", R"({"calibration": {"num_samples": 1000001}})", "calibration.num_samples",
              "from 1 to 1,000,000"},
        Fault{"length_negative", R"({"calibration": {"sequence_length": -1}})", "calibration.sequence_length",
              "the model's 512 positions"},
        Fault{"length_long", R"({"calibration": {"sequence_length": 513}})", "calibration.sequence_length",
              "the model's 512 positions"},
        Fault{"tokens_one", R"({"evaluation": {"max_tokens": 1}})", "evaluation.max_tokens", "from 2 to"},
        Fault{"tokens_negative", R"({"evaluation": {"max_tokens": -5}})", "evaluation.max_tokens", "from 2 to"},
        Fault{"tokens_many", R"({"evaluation": {"max_tokens": 10000000001}})", "evaluation.max_tokens",
              "to 10000000000"},
        Fault{"skip_with_text", R"({"evaluation": {"skip": true, "text_path": "/e"}})", "evaluation.skip",
              "no use for a text"},
        Fault{"skip_with_tokens", R"({"evaluation": {"skip": true, "max_tokens": 5}})", "evaluation.skip",
              "no use for a text"},
        Fault{"fp8_with_bits", R"({"format": "fp8", "bits": 4})", "bits", "is 4; fp8 has 8"},
        Fault{"nvfp4_with_groups", R"({"format": "nvfp4", "group_size": 32})", "group_size", "nvfp4 has its own"},
        Fault{"mxfp4_asymmetric", R"({"format": "mxfp4", "asymmetric": true})", "asymmetric", "not with mxfp4"},
        Fault{"dtype", R"({"compute_dtype": "float64"})", "compute_dtype", "allowed: auto, float32, bfloat16"}),
    [](const auto& fault) { return std::string(fault.param.name); });

TEST_F(CompressSpecTest, BoundsTheTokensOfTheCalibration) {
  model_ = Make({.max_positions = 1 << 20});
  EXPECT_OK(Resolve(Task(R"({"calibration": {"num_samples": 1000000, "sequence_length": 10000}})")));
  const auto spec = Resolve(Task(R"({"calibration": {"num_samples": 1000000, "sequence_length": 10001}})"));
  EXPECT_THAT(spec, StatusIs(absl::StatusCode::kInvalidArgument,
                             HasSubstr("of 10001 tokens are more than 10000000000 tokens")));
  EXPECT_EQ(FieldOf(spec.status()), "job.spec.compress.calibration.num_samples");
}

TEST_F(CompressSpecTest, RefusesValuesOfTheWrongType) {
  for (const char* members :
       {R"({"bits": "4"})", R"({"group_size": 64.0})", R"({"quantize": 5})", R"({"quantize": {"percdamp": "x"}})",
        R"({"calibration": []})", R"({"calibration": {"seed": 9223372036854775808}})", R"({"evaluation": {"skip": 1}})",
        R"({"compute_dtype": 3})", R"({"source": {"path": 5}})", R"({"source": "/models/tiny"})",
        R"({"source": null})"}) {
    EXPECT_EQ(Resolve(Task(members)).status().code(), absl::StatusCode::kInvalidArgument) << members;
  }
  for (const char* task : {"null", "[]", "\"compress\"", "5"}) {
    EXPECT_EQ(Resolve(json::parse(task)).status().code(), absl::StatusCode::kInvalidArgument) << task;
  }
}

TEST(SourcePathTest, IsReadFromTheMemberAsked) {
  const json task = json::parse(R"({"source": {"path": "/a"}, "reference": {"path": "/b"}, "empty": {}})");
  EXPECT_EQ(*SourcePath(task), "/a");
  EXPECT_EQ(*SourcePath(task, "reference"), "/b");
  const auto missing = SourcePath(task, "empty");
  EXPECT_THAT(missing, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("empty: \"path\" is missing")));
  EXPECT_EQ(ReasonOf(missing.status()), "INVALID_SPEC");
  EXPECT_FALSE(SourcePath(json::object()).ok());
}

TEST_F(CompressSpecTest, HasOneLineForWhatDecidesTheBytes) {
  EXPECT_EQ(
      CanonicalSpec(*Resolve(Task())),
      R"({"bits":4,"group_size":64,"method":"gptq","percdamp":0.01,"regularization":1.0,"qep_alpha":0.35,)"
      R"("qep_residual":0.35,"qep_percdamp":0.1,"clip_search":"conditional","scale_signs":"either","refine_sweeps":4,"act_order":"weight",)"
      R"("num_samples":64,"sequence_length":512,"seed":0})");
}

TEST_F(CompressSpecTest, ChangesItsLineWithAnyOfThem) {
  const std::string before = CanonicalSpec(*Resolve(Task()));
  for (const char* members :
       {R"({"bits": 5})", R"({"group_size": 32})", R"({"quantize": {"method": "rtn"}})",
        R"({"quantize": {"percdamp": 0.02}})", R"({"quantize": {"qep_alpha": 0}})",
        R"({"quantize": {"clip_search": "none"}})", R"({"quantize": {"regularization": 0}})",
        R"({"quantize": {"qep_residual": 0.1}})", R"({"quantize": {"qep_percdamp": 0.2}})",
        R"({"quantize": {"scale_signs": "positive"}})", R"({"quantize": {"refine_sweeps": 0}})",
        R"({"quantize": {"act_order": "none"}})", R"({"calibration": {"num_samples": 63}})",
        R"({"calibration": {"sequence_length": 511}})", R"({"calibration": {"seed": 1}})",
        R"({"calibration": {"strategy": "drop_head"}})", R"({"calibration": {"text_key": "body"}})",
        R"({"calibration": {"quality_filter": true}})"}) {
    EXPECT_NE(CanonicalSpec(*Resolve(Task(members))), before) << members;
  }
  for (const char* members : {R"({"source": {"path": "/elsewhere"}})", R"({"evaluation": {"skip": true}})",
                              R"({"evaluation": {"max_tokens": 9}})"}) {
    EXPECT_EQ(CanonicalSpec(*Resolve(Task(members))), before) << members;
  }
}

TEST(NamesTest, AreThoseOfTheApi) {
  EXPECT_EQ(MethodName(Method::kGptq), "gptq");
  EXPECT_EQ(MethodName(Method::kRtn), "rtn");
  EXPECT_EQ(ClipSearchName(ClipSearch::kNone), "none");
  EXPECT_EQ(ClipSearchName(ClipSearch::kConditional), "conditional");
  EXPECT_EQ(ScaleSignsName(ScaleSigns::kEither), "either");
  EXPECT_EQ(ActOrderName(ActOrder::kNone), "none");
  EXPECT_EQ(ActOrderName(ActOrder::kWeight), "weight");
  EXPECT_EQ(ComputeDtypeName(ComputeDtype::kAutomatic), "auto");
  for (const ComputeDtype dtype : {ComputeDtype::kAutomatic, ComputeDtype::kFloat32, ComputeDtype::kBfloat16}) {
    EXPECT_EQ(*ParseComputeDtype(ComputeDtypeName(dtype)), dtype);
  }
}

}  // namespace
}  // namespace pivot
