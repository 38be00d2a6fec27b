// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_LOADER_CHECKS_H_
#define PIVOT_ENGINE_FORMAT_LOADER_CHECKS_H_

// What the rules of loader_rules.h look at, one function a rule. Each says what breaks the rule and what then happens,
// or nothing: "".

#include <optional>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"

#include "engine/format/checkpoint_folder.h"
#include "engine/model/block_linears.h"

namespace pivot {

/// A linear of a decoder block, quantized or plain.
struct LoadedLayer {
  std::string module;
  LinearRole role;
  int expert;  // whose it is, or kNoExpert
  int block;
  LinearShape shape;
  std::optional<LinearStorage> storage;
};

struct LoaderSubject {
  const CheckpointFolder& folder;
  std::vector<LoadedLayer> layers;
  nlohmann::json quantization;  // quantization_config, null when there is none
  int target_tp = 1;
};

LoaderSubject LoaderSubjectOf(const CheckpointFolder& folder, int target_tp);

std::string FusedLayersShareAScheme(const LoaderSubject& subject);
std::string ShardsNameTheirFramework(const LoaderSubject& subject);
std::string DensePackingNamesItsVersion(const LoaderSubject& subject);
std::string GptqSidesAreMultiplesOf32(const LoaderSubject& subject);
std::string ExclusionsComeFirst(const LoaderSubject& subject);
std::string NoClassTargets(const LoaderSubject& subject);
std::string GptqBitsOfVllm(const LoaderSubject& subject);
std::string ZeroPointsInTransformers(const LoaderSubject& subject);
std::string RareBitsOfVllm(const LoaderSubject& subject);
std::string FitsTheFastKernel(const LoaderSubject& subject);
std::string Float4InRecentLoaders(const LoaderSubject& subject);
std::string FusedLayersShareAGlobalScale(const LoaderSubject& subject);
std::string ExpertsShareAScheme(const LoaderSubject& subject);
std::string ExpertsOfVllm(const LoaderSubject& subject);
std::string DividesAmongRanks(const LoaderSubject& subject);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_LOADER_CHECKS_H_
