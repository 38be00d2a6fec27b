// SPDX-License-Identifier: Apache-2.0
// Every type of blocks against what PyPI's gguf makes of the same bytes (tests/golden/gguf/make_golden.py).
#include <cstring>
#include <string>
#include <vector>

#include "gtest/gtest.h"

#include "engine/model/gguf/ggml_type.h"
#include "engine/model/safetensors.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

constexpr char kGolden[] = PIVOT_GOLDEN_DIR "/gguf/blocks.safetensors";

class GgmlBlocksTest : public ::testing::TestWithParam<std::string> {};

TEST_P(GgmlBlocksTest, AreTheSameWeightsBitForBit) {
  ASSERT_OK_AND_ASSIGN(const SafetensorsFile golden, SafetensorsFile::Open(kGolden));
  const TensorInfo* blocks = golden.Find(GetParam() + ".blocks");
  const TensorInfo* weights = golden.Find(GetParam() + ".weights");
  ASSERT_TRUE(blocks != nullptr && weights != nullptr);
  const auto type = FindGgmlType(GetParam());
  ASSERT_TRUE(type.has_value());
  const auto columns = static_cast<size_t>(weights->shape[0]);
  ASSERT_EQ(GgmlRowBytes(*type, weights->shape[0]), blocks->bytes());
  std::vector<float> found(columns);
  DequantizeGgmlRow(*type, golden.Bytes(*blocks), absl::MakeSpan(found));
  for (size_t i = 0; i < columns; ++i) {
    float expected = 0;
    std::memcpy(&expected, golden.Bytes(*weights).data() + i * sizeof(float), sizeof(float));
    ASSERT_EQ(std::memcmp(&found[i], &expected, sizeof(float)), 0) << i << ": " << found[i] << ", not " << expected;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, GgmlBlocksTest,
                         ::testing::Values("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K",
                                           "Q6_K"),
                         [](const auto& type) { return type.param; });

}  // namespace
}  // namespace pivot
