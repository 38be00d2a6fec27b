// SPDX-License-Identifier: Apache-2.0
#include "server/scheduler/estimates.h"

#include <limits>
#include <vector>

#include "gtest/gtest.h"

namespace pivot {
namespace {

using Measure = Score::Measure;

std::vector<Score> Scores(Measure measure, const std::vector<double>& ratios) {
  std::vector<Score> scores;
  for (const double ratio : ratios)
    scores.push_back({.device_class = DeviceClass::kGpu, .measure = measure, .ratio = ratio});
  return scores;
}

const JobNeeds kNeeds = {.gpu_bytes = 1000, .least_gpu_bytes = 100, .host_bytes = 500, .disk_bytes = 7, .seconds = 60};

JobNeeds Corrected(Measure measure, const std::vector<double>& ratios, const JobNeeds& needs = kNeeds) {
  return Corrections(Scores(measure, ratios)).Apply(needs, DeviceClass::kGpu);
}

TEST(EstimatesTest, AreTakenAsTheyAreUntilThreeRunsAreScored) {
  const JobNeeds needs = Corrected(Measure::kSeconds, {5, 5});
  EXPECT_EQ(needs.seconds, 60);
  EXPECT_EQ(needs.most_seconds, 180);
  EXPECT_EQ(needs.gpu_bytes, 1000);
  EXPECT_EQ(Corrected(Measure::kSeconds, {5, 5, 5}).seconds, 300);
}

TEST(EstimatesTest, OfTimeGoByTheMedianAndThe95thPercentile) {
  std::vector<double> ratios;
  for (int i = 20; i >= 1; --i) ratios.push_back(i);
  const JobNeeds needs = Corrected(Measure::kSeconds, ratios);
  EXPECT_EQ(needs.seconds, 60 * 10);
  EXPECT_EQ(needs.most_seconds, 60 * 19);
}

TEST(EstimatesTest, OfTimeStayBelowTheRunTimeout) {
  JobNeeds limited = kNeeds;
  limited.most_seconds = 50;
  const JobNeeds needs = Corrected(Measure::kSeconds, {2, 2, 2}, limited);
  EXPECT_EQ(needs.seconds, 50);
  EXPECT_EQ(needs.most_seconds, 50);
}

TEST(EstimatesTest, OfMemoryOnlyGrowAndAtMostTwofold) {
  EXPECT_EQ(Corrected(Measure::kGpuBytes, {1.1, 1.2, 1.3}).gpu_bytes, 1300);
  EXPECT_EQ(Corrected(Measure::kGpuBytes, {1.1, 1.2, 1.3}).least_gpu_bytes, 130);
  EXPECT_EQ(Corrected(Measure::kGpuBytes, {1.1, 1.2, 1.3}).host_bytes, 500);
  EXPECT_EQ(Corrected(Measure::kHostBytes, {0.3, 0.4, 0.5}).host_bytes, 500);
  EXPECT_EQ(Corrected(Measure::kHostBytes, {9, 9, 9}).host_bytes, 1000);
}

TEST(EstimatesTest, OfGpusSayNothingOfTheCpu) {
  const Corrections corrections(Scores(Measure::kSeconds, {5, 5, 5}));
  EXPECT_EQ(corrections.Apply(kNeeds, DeviceClass::kCpu).seconds, 60);
}

TEST(EstimatesTest, StayUnknownWhereTheyAre) {
  const JobNeeds needs = Corrected(Measure::kSeconds, {5, 5, 5}, {});
  EXPECT_EQ(needs.seconds, 0);
  EXPECT_EQ(needs.most_seconds, std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace pivot
