// SPDX-License-Identifier: Apache-2.0
#include "tests/server/simulation/scenario.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

#include "tests/server/snapshot_builder.h"

namespace pivot {
namespace {

constexpr int64_t kGpuBytes = 80 * kGib;
constexpr double kChaosAgingSeconds = 600;

Room DrawRoom(int num_gpus) {
  Room room{.host_bytes = 100 * kGib, .disk_bytes = 200 * kGib};
  for (int i = 0; i < num_gpus; ++i) room.devices.push_back({NumberedGpu(i, kGpuBytes), kGpuBytes});
  room.devices.push_back({.device = NamedCpu()});
  return room;
}

std::string DrawDevice(Dice& dice, int num_gpus) {
  const double draw = dice.Fraction();
  if (draw < 0.15) return "cpu";
  return draw < 0.3 && num_gpus > 0 ? absl::StrCat("cuda:", dice.Below(num_gpus)) : "auto";
}

/// Whole seconds: the store keeps them as exactly.
double Estimate(Dice& dice, double true_seconds) {
  if (dice.Chance(0.15)) return 0;
  return std::ceil(dice.Chance(0.5) ? true_seconds : true_seconds * dice.Between(0.25, 4));
}

JobNeeds DrawNeeds(Dice& dice, double true_seconds) {
  JobNeeds needs{.host_bytes = dice.Below(60) * kGib,
                 .disk_bytes = dice.Below(90) * kGib,
                 .seconds = Estimate(dice, true_seconds)};
  if (dice.Chance(0.8)) needs.gpu_bytes = (1 + dice.Below(90)) * kGib;
  if (dice.Chance(0.5)) needs.least_gpu_bytes = std::max<int64_t>(kGib, needs.gpu_bytes / 4);
  if (needs.seconds > 0) needs.most_seconds = needs.seconds * 2;
  if (dice.Chance(0.1)) needs.most_seconds = std::min(needs.most_seconds, std::ceil(true_seconds) + 60);
  return needs;
}

void DrawChaos(Dice& dice, Scenario& scenario) {
  const int num_gpus = dice.Below(4);
  scenario.room = DrawRoom(num_gpus);
  scenario.options.fair_share.aging_seconds = kChaosAgingSeconds;
  scenario.options.min_run_seconds = 30;
  scenario.options.min_left_seconds = 30;
  scenario.longest_seconds = 600;
  scenario.steer_probability = dice.Chance(0.5) ? 0.05 : 0;
  const int num_jobs = 5 + dice.Below(30);
  const double span_seconds = dice.Between(10, 8000);
  for (int i = 0; i < num_jobs; ++i) {
    ScriptedJob job{.arrival_us = static_cast<int64_t>(dice.Fraction() * span_seconds * kSecond),
                    .true_seconds = dice.Between(1, scenario.longest_seconds),
                    .crash_probability = dice.Chance(0.2) ? 0.4 : 0,
                    .failure_probability = dice.Chance(0.1) ? 0.3 : 0};
    job.order = {.project = std::string(1, static_cast<char>('a' + dice.Below(scenario.num_projects))),
                 .priority = 1 + dice.Below(100),
                 .device = DrawDevice(dice, num_gpus),
                 .needs = DrawNeeds(dice, job.true_seconds)};
    scenario.jobs.push_back(std::move(job));
  }
  for (int i = dice.Below(3); i > 0; --i)
    scenario.restarts_us.push_back(static_cast<int64_t>(dice.Fraction() * 2 * span_seconds * kSecond));
  if (num_gpus == 0 || dice.Chance(0.5)) return;
  for (int i = 1 + dice.Below(6); i > 0; --i) {
    scenario.foreign.push_back(
        {static_cast<int64_t>(dice.Fraction() * span_seconds * kSecond), dice.Below(num_gpus), dice.Below(80) * kGib});
  }
}

/// A stream of urgent jobs that never lets a device rest, and jobs that nobody hurries for.
void DrawStarvation(Dice& dice, Scenario& scenario) {
  const int num_gpus = 1 + dice.Below(2);
  scenario.room = DrawRoom(num_gpus);
  scenario.options.fair_share.aging_seconds = kChaosAgingSeconds;
  scenario.options.preempts = dice.Chance(0.5);
  scenario.options.min_run_seconds = 30;
  scenario.options.min_left_seconds = 30;
  scenario.longest_seconds = 120;
  scenario.endless_until_us = 12'000 * kSecond;
  for (int i = 0; i < 3 * num_gpus; ++i) {
    ScriptedJob job{.true_seconds = dice.Between(20, scenario.longest_seconds)};
    job.order = {.project = "urgent", .priority = 80 + dice.Below(21)};
    job.order.needs = {.host_bytes = dice.Below(20) * kGib, .seconds = std::ceil(job.true_seconds)};
    scenario.jobs.push_back(std::move(job));
  }
  for (int i = 1 + dice.Below(4); i > 0; --i) {
    ScriptedJob job{.arrival_us = dice.Below(3000) * kSecond,
                    .true_seconds = dice.Between(1, scenario.longest_seconds)};
    job.order = {.project = dice.Chance(0.3) ? "urgent" : "patient",
                 .priority = dice.Below(60),
                 .device = dice.Chance(0.3) ? "cuda:0" : "auto"};
    job.order.needs = {.host_bytes = dice.Below(95) * kGib, .seconds = std::ceil(job.true_seconds)};
    scenario.jobs.push_back(std::move(job));
  }
}

/// Every project has more jobs than there are devices, at all times; some have short ones, some long ones.
void DrawFairness(Dice& dice, Scenario& scenario) {
  const int num_gpus = 1 + dice.Below(4);
  scenario.room = DrawRoom(num_gpus);
  scenario.num_projects = 2 + dice.Below(4);
  double longest_mean = 0;
  for (int project = 0; project < scenario.num_projects; ++project) {
    const double mean_seconds = dice.Between(30, 300);
    longest_mean = std::max(longest_mean, mean_seconds);
    for (int i = 0; i < num_gpus + 1; ++i) {
      ScriptedJob job{.true_seconds = mean_seconds * dice.Between(0.5, 2),
                      .crash_probability = dice.Chance(0.1) ? 0.1 : 0};
      job.order.project = std::string(1, static_cast<char>('a' + project));
      job.order.priority = 40 + dice.Below(20);
      job.order.needs.seconds = Estimate(dice, job.true_seconds);
      scenario.jobs.push_back(std::move(job));
    }
  }
  scenario.longest_seconds = 2 * longest_mean;
  // Long enough for a single job not to matter.
  const double share_seconds = 120 * longest_mean;
  scenario.endless_until_us = static_cast<int64_t>(share_seconds * scenario.num_projects / num_gpus * kSecond);
}

}  // namespace

double Dice::Between(double low, double high) { return low * std::pow(high / low, Fraction()); }

Scenario DrawScenario(uint64_t seed) {
  if (seed % 100 == 0) return DrawScenario(seed, Scenario::Kind::kFairness);
  return DrawScenario(seed, seed % 10 == 1 ? Scenario::Kind::kStarvation : Scenario::Kind::kChaos);
}

Scenario DrawScenario(uint64_t seed, Scenario::Kind kind) {
  Dice dice(seed * 3 + static_cast<uint64_t>(kind));
  Scenario scenario{.seed = seed, .kind = kind, .num_projects = 1 + dice.Below(4)};
  if (kind == Scenario::Kind::kChaos) DrawChaos(dice, scenario);
  if (kind == Scenario::Kind::kStarvation) DrawStarvation(dice, scenario);
  if (kind == Scenario::Kind::kFairness) DrawFairness(dice, scenario);
  return scenario;
}

}  // namespace pivot
