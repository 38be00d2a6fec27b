// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/window_tensor.h"

#include <ATen/ATen.h>

#include "gtest/gtest.h"

#include "tests/engine/support/placed_windows.h"

namespace pivot {
namespace {

constexpr int64_t kTile = 2;

at::Tensor Values() { return at::arange(7 * 3 * 4, at::kFloat).view({7, 3, 4}); }

class WindowTensorTest : public ::testing::TestWithParam<int64_t> {};

TEST_P(WindowTensorTest, HoldsWhatWasPutIntoIt) {
  const WindowTensor tensor = Placed(Values(), kTile, GetParam());
  EXPECT_TRUE(tensor.defined());
  EXPECT_EQ(tensor.windows(), 7);
  for (int pass = 0; pass < 2; ++pass) EXPECT_TRUE(at::equal(Collected(tensor, kTile), Values()));
}

TEST_P(WindowTensorTest, KeepsWhatIsChangedInPlace) {
  WindowTensor tensor = Placed(Values(), kTile, GetParam());
  for (int pass = 0; pass < 3; ++pass) {
    for (int64_t first = 0; first < 7; first += kTile) {
      const int64_t count = std::min<int64_t>(kTile, 7 - first);
      tensor.Read(first, count).mul_(2);
      tensor.Keep(first, count);
    }
  }
  EXPECT_TRUE(at::equal(Collected(tensor, kTile), Values() * 8));
}

TEST_P(WindowTensorTest, OneLikeItIsPlacedAlike) {
  const WindowTensor tensor = Placed(Values(), kTile, GetParam());
  WindowTensor other = tensor.Like(5);
  for (int64_t first = 0; first < 7; first += kTile) {
    const int64_t count = std::min<int64_t>(kTile, 7 - first);
    other.Fill(first, count).fill_(static_cast<double>(first));
    other.Keep(first, count);
  }
  const at::Tensor found = Collected(other, kTile);
  EXPECT_EQ(found.sizes(), (std::vector<int64_t>{7, 3, 5}));
  for (int64_t window = 0; window < 7; ++window)
    EXPECT_TRUE(found[window].eq(static_cast<double>(window / kTile * kTile)).all().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(Resident, WindowTensorTest, ::testing::Values(0, 2, 3, 6, 7, 100),
                         [](const auto& test) { return std::to_string(test.param); });

TEST(WindowTensorPlacementTest, OnlyResidentWindowsAreWrittenThrough) {
  WindowTensor tensor = Placed(Values(), kTile, 3);  // one whole tile
  tensor.Read(0, kTile).zero_();
  tensor.Read(2, kTile).zero_();  // a copy, and not kept
  tensor.Read(4, kTile);
  tensor.Read(6, 1);  // takes the buffer of windows 2 and 3
  EXPECT_TRUE(tensor.Read(0, kTile).eq(0).all().item<bool>());
  EXPECT_TRUE(at::equal(tensor.Read(2, kTile), Values().narrow(0, 2, kTile)));
}

TEST(WindowTensorPlacementTest, IsUndefinedUntilItHasWindows) {
  WindowTensor tensor;
  EXPECT_FALSE(tensor.defined());
  tensor = Values();
  EXPECT_TRUE(tensor.defined());
  EXPECT_EQ(tensor.windows(), 7);
}

}  // namespace
}  // namespace pivot
