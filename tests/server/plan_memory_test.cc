// SPDX-License-Identifier: Apache-2.0
#include "server/probe/plan_memory.h"

#include "gtest/gtest.h"

namespace pivot {
namespace {

v1::Plan PlanOf(int blocks) {
  v1::Plan plan;
  plan.set_num_blocks(blocks);
  return plan;
}

TEST(PlanMemoryTest, TellsAnAnswerFromNone) {
  PlanMemory memory(10000);
  EXPECT_FALSE(memory.Find("a").has_value());
  memory.Keep("a", PlanOf(7));
  memory.Keep("b", std::nullopt);
  ASSERT_TRUE(memory.Find("a").has_value());
  EXPECT_EQ((*memory.Find("a"))->num_blocks(), 7);
  ASSERT_TRUE(memory.Find("b").has_value());
  EXPECT_FALSE(memory.Find("b")->has_value()) << "the answer was that there is no plan";
}

TEST(PlanMemoryTest, KeepsWhatIsAskedForWithinItsBound) {
  PlanMemory memory(10000);
  memory.Keep("wanted", PlanOf(7));
  for (int i = 0; i < 1000; ++i) {
    memory.Keep("key-" + std::to_string(i), PlanOf(i));
    EXPECT_TRUE(memory.Find("wanted").has_value());
  }
  EXPECT_FALSE(memory.Find("key-0").has_value());
  EXPECT_TRUE(memory.Find("key-999").has_value());
}

TEST(PlanMemoryTest, LeavesOutWhatIsLargerThanAllOfIt) {
  PlanMemory memory(10000);
  memory.Keep("wanted", PlanOf(7));
  v1::Plan large;
  large.set_architecture(std::string(20000, 'x'));
  memory.Keep("large", large);
  EXPECT_FALSE(memory.Find("large").has_value());
  EXPECT_TRUE(memory.Find("wanted").has_value());
}

}  // namespace
}  // namespace pivot
