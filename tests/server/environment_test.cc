// SPDX-License-Identifier: Apache-2.0
#include "server/process/environment.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

const std::vector<std::string> kOurs = {"PATH=/bin",    "HOME=/root",       "LANG=C",          "TZ=UTC",
                                        "PIVOT_X=1",    "PIVOT_TOKEN=dear", "LD_PRELOAD=x.so", "AWS_SECRET=dear",
                                        "PATHOLOGY=no", "OMP_NUM_THREADS=2"};

TEST(EnvironmentTest, PassesOnOnlyWhatChildrenNeed) {
  EXPECT_THAT(CleanEnvironment(kOurs),
              UnorderedElementsAre("PATH=/bin", "HOME=/root", "LANG=C", "TZ=UTC", "PIVOT_X=1"));
}

TEST(EnvironmentTest, ShowsTheWorkerItsOneDevice) {
  const auto gpu = WorkerEnvironment(kOurs, "/torch/lib", {.name = "cuda:1", .uuid = "GPU-7"});
  EXPECT_THAT(gpu, Contains("CUDA_VISIBLE_DEVICES=GPU-7"));
  EXPECT_THAT(gpu, Contains("CUDA_DEVICE_ORDER=PCI_BUS_ID"));
  EXPECT_THAT(gpu, Contains("LD_LIBRARY_PATH=/torch/lib"));
  EXPECT_THAT(gpu, Contains("OMP_NUM_THREADS=2"));
  EXPECT_THAT(gpu, Contains("HF_HUB_OFFLINE=1"));
  EXPECT_THAT(gpu, Not(Contains("LD_PRELOAD=x.so")));
  EXPECT_THAT(WorkerEnvironment({}, "/torch/lib", {.name = "cpu"}), Contains("CUDA_VISIBLE_DEVICES="));
}

class TorchPathTest : public ::testing::Test {
 protected:
  TorchPathTest() {
    folder_.Write("site/torch/lib/libtorch_cpu.so", "");
    folder_.Write("site/nvidia/cu13/lib/libcudart.so", "");
    folder_.Write("site/nvidia/cudnn/lib/libcudnn.so", "");
    folder_.Write("site/nvidia/headers/include/x.h", "");
  }
  TemporaryFolder folder_;
  std::string expected_ =
      folder_ / "site/torch/lib:" + folder_ / "site/nvidia/cu13/lib:" + folder_ / "site/nvidia/cudnn/lib";
  std::string file_ = folder_ / "torch.path";
};

TEST_F(TorchPathTest, ComesFromTheVariable) {
  EXPECT_EQ(TorchLibraryPath({"PIVOT_TORCH_LIB=" + folder_ / "site/torch/lib"}, file_).value(), expected_);
  EXPECT_EQ(TorchLibraryPath({"PIVOT_TORCH_LIB=" + folder_ / "site/torch/lib/"}, file_).value(), expected_);
}

TEST_F(TorchPathTest, ComesFromTheFileElse) {
  folder_.Write("torch.path", folder_ / "site/torch/lib" + "\n");
  EXPECT_EQ(TorchLibraryPath({}, file_).value(), expected_);
}

TEST_F(TorchPathTest, IsAnErrorThatNamesBothElse) {
  const auto neither = TorchLibraryPath({}, file_);
  EXPECT_EQ(ReasonOf(neither.status()), "TORCH_NOT_FOUND");
  EXPECT_THAT(neither, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("PIVOT_TORCH_LIB")));
  EXPECT_THAT(neither, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(file_)));
  const auto wrong = TorchLibraryPath({"PIVOT_TORCH_LIB=/nowhere"}, file_);
  EXPECT_THAT(wrong,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("/nowhere, which has no libtorch_cpu.so")));
  EXPECT_THAT(wrong, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(file_)));
}

}  // namespace
}  // namespace pivot
