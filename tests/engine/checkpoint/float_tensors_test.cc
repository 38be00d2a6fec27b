// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/float_tensors.h"

#include <ATen/ATen.h>
#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/checkpoint/linear_tensors.h"
#include "engine/model/model_shapes.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TensorLookup In(const NamedTensors& tensors) {
  return [&tensors](const std::string& name) -> absl::StatusOr<at::Tensor> {
    const auto found = tensors.find(name);
    return found == tensors.end() ? at::Tensor() : found->second;
  };
}

std::vector<int> Bytes(const at::Tensor& tensor) {
  const auto* data = static_cast<const uint8_t*>(tensor.const_data_ptr());
  return {data, data + tensor.nbytes()};
}

at::Tensor Chars(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong).to(at::kChar); }

LinearStorage StorageFor(const WeightScheme& scheme) { return {.scheme = scheme}; }

TEST(FloatTensorsTest, PutsTheEvenColumnIntoTheLowHalfOfAByte) {
  QuantizedLinear linear{.codes = Chars({1, 2, 3, 4, 15, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0}).view({1, 16}),
                         .scale = at::full({1, 1}, 2.0F),
                         .global_scale = at::full({1}, 4.0F),
                         .scheme = *FloatScheme("nvfp4")};
  ASSERT_OK_AND_ASSIGN(const NamedTensors tensors, EncodeLinear(linear, "m", StorageFor(linear.scheme)));
  EXPECT_THAT(Bytes(tensors.at("m.weight_packed")), ElementsAre(0x21, 0x43, 0x0F, 0x78, 0, 0, 0, 0));
  // 2.0 in E4M3: exponent 8 (bias 7), mantissa 0.
  EXPECT_THAT(Bytes(tensors.at("m.weight_scale")), ElementsAre(0x40));
  EXPECT_EQ(tensors.at("m.weight_global_scale").item<float>(), 4.0F);
  // Codes 1, 2, 3, 4, 15 and 7 stand for 0.5, 1, 1.5, 2, -6 and 6; scale / global_scale is one half.
  const at::Tensor weight = Dequantize(linear).flatten();
  EXPECT_EQ(weight[0].item<float>(), 0.25F);
  EXPECT_EQ(weight[3].item<float>(), 1.0F);
  EXPECT_EQ(weight[4].item<float>(), -3.0F);
  EXPECT_EQ(weight[6].item<float>(), 0.0F);
  EXPECT_EQ(weight[7].item<float>(), 3.0F);
}

TEST(FloatTensorsTest, StoresPowersOfTwoAsTheirBiasedExponent) {
  QuantizedLinear linear{.codes = at::zeros({3, 32}, at::kChar),
                         .scale = at::tensor({1.0, 0.125, 8.0}, at::kFloat).view({3, 1}),
                         .scheme = *FloatScheme("mxfp4")};
  ASSERT_OK_AND_ASSIGN(const NamedTensors tensors, EncodeLinear(linear, "m", StorageFor(linear.scheme)));
  EXPECT_THAT(Bytes(tensors.at("m.weight_scale")), ElementsAre(127, 124, 130));
  linear.scale.fill_(3.0F);
  const auto refused = EncodeLinear(linear, "m", StorageFor(linear.scheme));
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not powers of two")));
  EXPECT_EQ(ReasonOf(refused.status()), "FORMAT_CANNOT_EXPRESS");
}

struct Case {
  const char* name;
  WeightScheme scheme;
  std::vector<int64_t> scale_shape;  // as the file has it
};

WeightScheme Float8(int64_t row_group, int64_t group_size) {
  WeightScheme scheme = *FloatScheme("fp8");
  scheme.row_group = row_group;
  scheme.group_size = group_size;
  return scheme;
}

class FloatTensorsCaseTest : public ::testing::TestWithParam<Case> {};

TEST_P(FloatTensorsCaseTest, SurvivesTheWayThroughTheFile) {
  constexpr LinearShape kShape{.out_features = 40, .in_features = 96};
  const WeightScheme& scheme = GetParam().scheme;
  at::manual_seed(3);
  NamedTensors file;
  const at::Tensor bytes = at::randint(0, 120, {40, 96}, at::kLong).to(at::kByte);
  const bool is_fp8 = scheme.type == CodeType::kFloat8;
  if (is_fp8) {
    file["m.weight"] = bytes.view(at::kFloat8_e4m3fn);
    file["m.weight_scale"] = at::rand(GetParam().scale_shape).add_(0.1).to(at::kBFloat16);
  } else {
    file["m.weight_packed"] = at::randint(0, 256, {40, 48}, at::kLong).to(at::kByte);
    file["m.weight_scale"] = bytes.narrow(1, 0, GetParam().scale_shape[1]).contiguous();
    if (scheme.type == CodeType::kNvfp4) {
      file["m.weight_scale"] = file["m.weight_scale"].view(at::kFloat8_e4m3fn);
      file["m.weight_global_scale"] = at::full({1}, 37.0F);
    }
  }
  ASSERT_OK_AND_ASSIGN(const QuantizedLinear linear, DecodeLinear(In(file), "m", kShape, StorageFor(scheme)));
  EXPECT_EQ(linear.scale.size(0), 40);
  ASSERT_OK_AND_ASSIGN(const NamedTensors again, EncodeLinear(linear, "m", StorageFor(scheme)));
  ASSERT_EQ(again.size(), file.size());
  for (const auto& [name, tensor] : file) {
    EXPECT_EQ(Bytes(again.at(name)), Bytes(tensor)) << name;
    EXPECT_EQ(again.at(name).sizes(), tensor.sizes()) << name;
    EXPECT_EQ(again.at(name).scalar_type(), tensor.scalar_type()) << name;
  }
  const at::Tensor weight = Dequantize(linear);
  EXPECT_EQ(weight.sizes(), at::IntArrayRef({40, 96}));
  EXPECT_TRUE(at::isfinite(weight).all().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(Schemes, FloatTensorsCaseTest,
                         ::testing::Values(Case{"channel", Float8(1, 0), {40, 1}}, Case{"tensor", Float8(0, 0), {1}},
                                           Case{"block", Float8(32, 32), {2, 3}},
                                           Case{"block_cut_off", Float8(32, 64), {2, 2}},
                                           Case{"nvfp4", *FloatScheme("nvfp4"), {40, 6}},
                                           Case{"mxfp4", *FloatScheme("mxfp4"), {40, 3}}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(FloatTensorsTest, GivesEachBlockOfTheMatrixItsScale) {
  NamedTensors file;
  file["m.weight"] = at::ones({3, 5}).to(at::kFloat8_e4m3fn);
  file["m.weight_scale"] = at::tensor({1.0, 2.0, 3.0, 4.0, 5.0, 6.0}, at::kFloat).view({2, 3});
  ASSERT_OK_AND_ASSIGN(const QuantizedLinear linear,
                       DecodeLinear(In(file), "m", {.out_features = 3, .in_features = 5}, StorageFor(Float8(2, 2))));
  const at::Tensor expected =
      at::tensor({1., 1., 2., 2., 3., 1., 1., 2., 2., 3., 4., 4., 5., 5., 6.}, at::kFloat).view({3, 5});
  EXPECT_TRUE(at::equal(Dequantize(linear), expected));
}

TEST(FloatTensorsTest, IsNothingForGptq) {
  const QuantizedLinear linear{
      .codes = at::zeros({32, 32}, at::kChar), .scale = at::ones({32, 1}), .scheme = *FloatScheme("mxfp4")};
  EXPECT_THAT(EncodeLinear(linear, "m", {.layout = CodeLayout::kGptqV2, .scheme = linear.scheme}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("floating-point codes")));
}

}  // namespace
}  // namespace pivot
