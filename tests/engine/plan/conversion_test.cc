// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/conversion.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "proto/status/reason.h"
#include "tests/engine/format/compressed_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;

TEST(ConversionTest, RefusesExpertsOfDifferentSchemes) {
  const TemporaryFolder folder;
  ASSERT_OK(WriteTinyModel(folder / "source", {.model_type = "mixtral"}));
  ASSERT_OK_AND_ASSIGN(const ModelFolder source, ModelFolder::Open(folder / "source"));
  CompressedModel model = CompressWithZeros(source, WeightScheme{.bits = 4, .group_size = 32});
  const std::string odd = "model.layers.1.block_sparse_moe.experts.2.w3";
  for (const bool differs : {false, true}) {
    auto config = nlohmann::ordered_json::parse(model.config_json);
    auto& groups = config["quantization_config"]["config_groups"];
    if (differs) {
      groups["group_1"] = groups["group_0"];
      groups["group_1"]["targets"] = {odd};
      groups["group_1"]["weights"]["num_bits"] = 8;
    }
    model.config_json = config.dump();
    ASSERT_OK(WriteCompressedModel(model, source, folder / (differs ? "odd" : "even")));
    ASSERT_OK_AND_ASSIGN(const CheckpointFolder written, OpenCheckpointUnchecked(folder / (differs ? "odd" : "even")));
    const auto conversion = PlanConversion(written, CodeLayout::kGptqV1, 0);
    if (differs) {
      EXPECT_THAT(conversion, StatusIs(absl::StatusCode::kFailedPrecondition,
                                       HasSubstr(odd + " has another scheme than the block's first expert")));
      EXPECT_EQ(ReasonOf(conversion.status()), "FORMAT_CANNOT_EXPRESS");
    } else {
      EXPECT_OK(conversion);
    }
  }
}

}  // namespace
}  // namespace pivot
