// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/pass_shapes.h"

#include <algorithm>

#include "engine/plan/work.h"

namespace pivot {
namespace {

constexpr int64_t kFloatBytes = 4;

double ParametersOf(const BlockLinear& linear) {
  return static_cast<double>(linear.shape.out_features) * static_cast<double>(linear.shape.in_features);
}

}  // namespace

double BlockParameters(const ModelConfig& config) {
  double most = 0;
  for (int block = 0; block < config.num_blocks; ++block) {
    double parameters = 0;
    for (const BlockLinear& linear : DistinctLinears(config, block))
      parameters +=
          ParametersOf(linear) * (linear.expert == kNoExpert ? 1.0 : static_cast<double>(config.experts.count));
    most = std::max(most, parameters);
  }
  return most;
}

int64_t HiddenFeatures(const ModelConfig& config) {
  int64_t most = 0;
  for (const BlockLinear& linear : ModelLinears(config)) {
    if (linear.role == LinearRole::kDown || linear.role == LinearRole::kExpertDown)
      most = std::max(most, linear.shape.in_features);
  }
  return most;
}

std::vector<CountedGroup> CountGroups(const ModelConfig& config) {
  std::vector<CountedGroup> counted;
  const auto add = [&counted](const BlockGroup& group, int64_t count, int64_t met) {
    auto found = std::find_if(counted.begin(), counted.end(), [&group](const CountedGroup& other) {
      return other.group.members.front() == group.members.front();
    });
    if (found == counted.end()) found = counted.insert(counted.end(), {.group = group});
    found->count += static_cast<double>(count);
    found->met += static_cast<double>(met);
  };
  for (int block = 0; block < config.num_blocks; ++block) {
    for (const BlockGroup& group : SharedGroups(config, block)) add(group, 1, 1);
    if (!config.has_experts(block)) continue;
    for (const LinearGroup& group : config.architecture->experts->groups)
      add({group, 0}, config.experts.count, config.experts.per_token);
  }
  return counted;
}

int64_t GroupInFeatures(const ModelConfig& config, const LinearGroup& group) {
  return ShapeOf(config, group.members.front()).in_features;
}

int64_t KeptStreams(const ModelConfig& config, const CompressSpec& spec) {
  int64_t streams = spec.quantize.propagates() ? 2 : 1;
  // What attention adds waits for an MLP that reads the same stream.
  if (spec.quantize.propagates() && config.order == BlockOrder::kParallel) ++streams;
  // Where there are experts, the inputs of both streams.
  if (config.experts.count > 0) streams += spec.quantize.propagates() ? 2 : 1;
  return streams;
}

int64_t KeptFeatures(const ModelConfig& config, const CompressSpec& spec) {
  return KeptStreams(config, spec) * config.hidden_size + config.num_heads * config.head_dim;
}

int64_t ExpertMomentBytes(const ModelConfig& config, const CompressSpec& spec) {
  int64_t most = 0;
  for (const BlockLinear& linear : ModelLinears(config)) {
    const int64_t in = linear.expert == kNoExpert ? 0 : linear.shape.in_features;
    const int64_t each = (spec.quantize.propagates() ? 3 : 1) * in * in * kFloatBytes;
    most = std::max(most, std::min(config.experts.count * each, std::max(each, kExpertMomentBytes)));
  }
  return most;
}

}  // namespace pivot
