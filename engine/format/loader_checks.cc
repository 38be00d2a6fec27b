// SPDX-License-Identifier: Apache-2.0
#include "engine/format/loader_checks.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace pivot {
namespace {

using nlohmann::json;

/// Layers that break a rule: how many, and the first.
class Offenders {
 public:
  void Add(const std::string& module) {
    if (count_++ == 0) first_ = module;
  }
  bool empty() const { return count_ == 0; }
  std::string Text() const {
    return count_ == 1 ? first_ : absl::StrCat(count_, " layers, the first of them ", first_, ",");
  }

 private:
  int count_ = 0;
  std::string first_;
};

std::string Sentence(const Offenders& offenders, absl::string_view rest) {
  return offenders.empty() ? "" : absl::StrCat(offenders.Text(), " ", rest);
}

/// Sentence(...) over the quantized layers for which `breaks` holds.
std::string WhereQuantized(const LoaderSubject& subject, const std::function<bool(const LoadedLayer&)>& breaks,
                           absl::string_view rest) {
  Offenders offenders;
  for (const LoadedLayer& layer : subject.layers) {
    if (layer.storage.has_value() && breaks(layer)) offenders.Add(layer.module);
  }
  return Sentence(offenders, rest);
}

bool IsAtLeast(absl::string_view version, int major, int minor) {
  const std::vector<std::string> parts = absl::StrSplit(version, '.');
  int found_major = 0;
  int found_minor = 0;
  if (parts.size() < 2 || !absl::SimpleAtoi(parts[0], &found_major) || !absl::SimpleAtoi(parts[1], &found_minor))
    return false;
  return std::pair(found_major, found_minor) >= std::pair(major, minor);
}

bool CrossesWords(int bits) { return 32 % bits != 0; }

bool FitsMarlin(const LoadedLayer& layer) {
  const WeightScheme& scheme = layer.storage->scheme;
  const bool group = !scheme.is_integer() || scheme.group_size == 32 || scheme.group_size == 64 ||
                     scheme.group_size == 128 || scheme.group_size == layer.shape.in_features;
  return layer.shape.out_features % 64 == 0 && layer.shape.in_features % 128 == 0 && group;
}

/// Layers whose inputs are shared out among ranks; the others share out their outputs.
bool IsRowParallel(LinearRole role) {
  return role == LinearRole::kAttentionOutput || role == LinearRole::kDown || role == LinearRole::kExpertDown;
}

/// Sentence(...) over the layers that runtimes fuse, when two members of one differ.
std::string WhereMembersDiffer(const LoaderSubject& subject,
                               const std::function<bool(const LoadedLayer&, const LoadedLayer&)>& differ,
                               absl::string_view rest) {
  Offenders offenders;
  const Architecture& architecture = *subject.folder.model.config().architecture;
  for (const LinearGroup& group : architecture.groups) {
    if (group.fused_name.empty()) continue;
    for (const LoadedLayer& layer : subject.layers) {
      if (layer.role != group.members.front()) continue;
      const bool any = std::any_of(subject.layers.begin(), subject.layers.end(), [&](const LoadedLayer& other) {
        const bool is_member = std::find(group.members.begin(), group.members.end(), other.role) != group.members.end();
        return other.block == layer.block && is_member && differ(layer, other);
      });
      if (any) offenders.Add(BlockPrefix(architecture, layer.block) + std::string(group.fused_name));
    }
  }
  return Sentence(offenders, rest);
}

}  // namespace

LoaderSubject LoaderSubjectOf(const CheckpointFolder& folder, int target_tp) {
  const ModelConfig& config = folder.model.config();
  LoaderSubject subject{.folder = folder, .target_tp = target_tp};
  for (int block = 0; block < config.num_blocks; ++block) {
    for (BlockLinear& linear : BlockLinears(config, block)) {
      LoadedLayer layer{.module = std::move(linear.module),
                        .role = linear.role,
                        .expert = linear.expert,
                        .block = block,
                        .shape = linear.shape};
      layer.storage = folder.StorageOf(layer.module, layer.shape);
      subject.layers.push_back(std::move(layer));
    }
  }
  const json document = json::parse(folder.model.config_text(), nullptr, /*allow_exceptions=*/false);
  if (document.is_object()) subject.quantization = document.value("quantization_config", json());
  return subject;
}

std::string FusedLayersShareAScheme(const LoaderSubject& subject) {
  return WhereMembersDiffer(
      subject, [](const LoadedLayer& one, const LoadedLayer& other) { return one.storage != other.storage; },
      "is made of layers of different schemes, and cannot be fused");
}

std::string ShardsNameTheirFramework(const LoaderSubject& subject) {
  for (const SafetensorsFile& file : subject.folder.model.files()) {
    const auto& metadata = file.header().metadata;
    const auto found = metadata.find("format");
    if (found == metadata.end() || found->second != "pt")
      return absl::StrCat(file.path(), " has no {\"format\": \"pt\"} in its metadata, which transformers 4 insists on");
  }
  return "";
}

std::string DensePackingNamesItsVersion(const LoaderSubject& subject) {
  if (!subject.quantization.is_object()) return "";
  const std::string version = subject.quantization.value("version", json("")).is_string()
                                  ? subject.quantization.value("version", std::string())
                                  : "";
  if (IsAtLeast(version, 0, 18)) return "";
  return WhereQuantized(
      subject,
      [](const LoadedLayer& layer) { return !layer.storage->is_gptq() && CrossesWords(layer.storage->scheme.bits); },
      absl::StrCat("has codes that cross words, and the version \"", version,
                   "\" of quantization_config packs them another way than 0.18 and later"));
}

std::string GptqSidesAreMultiplesOf32(const LoaderSubject& subject) {
  return WhereQuantized(
      subject,
      [](const LoadedLayer& layer) {
        return layer.storage->is_gptq() && (layer.shape.in_features % 32 != 0 || layer.shape.out_features % 32 != 0);
      },
      "has a side that 32 does not divide, which GPTQ's words need");
}

std::string ExclusionsComeFirst(const LoaderSubject& subject) {
  const auto ordered =
      nlohmann::ordered_json::parse(subject.folder.model.config_text(), nullptr, /*allow_exceptions=*/false);
  if (!ordered.is_object() || !ordered.contains("quantization_config")) return "";
  const auto& quantization = ordered["quantization_config"];
  if (!quantization.is_object() || !quantization.contains("dynamic") || !quantization["dynamic"].is_object()) return "";
  bool has_override = false;
  for (const auto& [key, value] : quantization["dynamic"].items()) {
    const bool excludes = absl::StartsWith(key, "-:");
    if (excludes && has_override)
      return absl::StrCat("\"dynamic\" has the exclusion ", key,
                          " behind an override; vLLM takes the first that matches");
    has_override = has_override || !excludes;
  }
  return "";
}

std::string NoClassTargets(const LoaderSubject& subject) {
  if (!subject.quantization.is_object()) return "";
  const json groups = subject.quantization.value("config_groups", json::object());
  if (!groups.is_object() || groups.size() < 2) return "";
  for (const auto& [name, group] : groups.items()) {
    const json targets = group.is_object() ? group.value("targets", json::array()) : json::array();
    if (std::find(targets.begin(), targets.end(), json("Linear")) != targets.end())
      return absl::StrCat(
          name, " targets \"Linear\" beside other groups; vLLM before July 2026 gives fused layers its scheme");
  }
  return "";
}

std::string GptqBitsOfVllm(const LoaderSubject& subject) {
  return WhereQuantized(
      subject,
      [](const LoadedLayer& layer) {
        const WeightScheme& scheme = layer.storage->scheme;
        return layer.storage->is_gptq() && ((scheme.bits != 4 && scheme.bits != 8) || !scheme.is_symmetric());
      },
      "is not symmetric with 4 or 8 bits; vLLM of June 2026 and later refuses it without --quantization humming");
}

std::string ZeroPointsInTransformers(const LoaderSubject& subject) {
  return WhereQuantized(
      subject,
      [](const LoadedLayer& layer) { return !layer.storage->is_gptq() && !layer.storage->scheme.is_symmetric(); },
      "has zero points; transformers 5.24 with compressed-tensors 0.20 expects them in another shape than the library "
      "itself writes, and refuses the folder; vLLM reads it");
}

std::string RareBitsOfVllm(const LoaderSubject& subject) {
  return WhereQuantized(
      subject,
      [](const LoadedLayer& layer) {
        const int bits = layer.storage->scheme.bits;
        return !layer.storage->is_gptq() && bits != 4 && bits != 8;
      },
      "has other bits than 4 and 8; vLLM reads them from mid-2026 on, with humming-kernels installed; SGLang does not");
}

std::string FitsTheFastKernel(const LoaderSubject& subject) {
  const auto misses = [](bool is_integer) {
    return [is_integer](const LoadedLayer& layer) {
      const WeightScheme& scheme = layer.storage->scheme;
      return scheme.is_integer() == is_integer && (scheme.bits == 4 || scheme.bits == 8) && !FitsMarlin(layer);
    };
  };
  const std::string integers = WhereQuantized(
      subject, misses(/*is_integer=*/true),
      "does not fit vLLM's Marlin kernel (outputs a multiple of 64, inputs of 128, groups of 32, 64 or 128): it is "
      "served by Conch, ExLlama or Humming, which are slower");
  if (!integers.empty()) return integers;
  return WhereQuantized(subject, misses(/*is_integer=*/false),
                        "does not fit vLLM's Marlin kernel (outputs a multiple of 64, inputs of 128), the only one for "
                        "floating-point codes without quantized inputs: they may not be served at all");
}

std::string Float4InRecentLoaders(const LoaderSubject& subject) {
  return WhereQuantized(
      subject, [](const LoadedLayer& layer) { return layer.storage->scheme.is_float4(); },
      "has 4-bit floating-point codes; vLLM reads NVFP4 weights from mid-2025 and MXFP4 from 2026 on, SGLang not all");
}

std::string FusedLayersShareAGlobalScale(const LoaderSubject& subject) {
  const ModelFolder& model = subject.folder.model;
  return WhereMembersDiffer(
      subject,
      [&model](const LoadedLayer& one, const LoadedLayer& other) {
        const auto scale = [&model](const LoadedLayer& layer) {
          return model.Bytes(layer.module + ".weight_global_scale");
        };
        return scale(one) != scale(other);
      },
      "is made of layers of different global scales; vLLM takes one for all, which changes the weights of the others");
}

std::string ExpertsShareAScheme(const LoaderSubject& subject) {
  Offenders offenders;
  const LoadedLayer* first = nullptr;  // of the experts of a block
  for (const LoadedLayer& layer : subject.layers) {
    if (layer.expert == kNoExpert) continue;
    if (first == nullptr || first->block != layer.block) first = &layer;
    // Rows of different lengths may have one scale each.
    const auto is_row = [](const LoadedLayer& of) { return of.storage->scheme.group_size == of.shape.in_features; };
    const bool is_plain = !first->storage.has_value() && !layer.storage.has_value();
    const bool are_alike =
        first->storage.has_value() && layer.storage.has_value() && first->storage->layout == layer.storage->layout &&
        first->storage->scheme.bits == layer.storage->scheme.bits &&
        first->storage->scheme.type == layer.storage->scheme.type &&
        first->storage->scheme.symmetry == layer.storage->scheme.symmetry &&
        (first->storage->scheme.group_size == layer.storage->scheme.group_size || is_row(*first) || is_row(layer));
    if (!is_plain && !are_alike) offenders.Add(layer.module);
  }
  return Sentence(offenders, "has another scheme than the first expert of its block; all experts are loaded as one");
}

std::string ExpertsOfVllm(const LoaderSubject& subject) {
  return WhereQuantized(
      subject,
      [](const LoadedLayer& layer) {
        const WeightScheme& scheme = layer.storage->scheme;
        const bool is_common = scheme.is_integer() && scheme.is_symmetric() && (scheme.bits == 4 || scheme.bits == 8);
        return layer.expert != kNoExpert && !is_common;
      },
      "is an expert's and not of symmetric integers with 4 or 8 bits; vLLM's kernels for experts take no others, but "
      "for those of its newest versions");
}

std::string DividesAmongRanks(const LoaderSubject& subject) {
  const int64_t ranks = subject.target_tp;
  if (ranks <= 1) return "";
  return WhereQuantized(
      subject,
      [ranks](const LoadedLayer& layer) {
        const int64_t groups = layer.shape.in_features / layer.storage->scheme.group_size;
        const bool has_one_group = groups == 1;
        return IsRowParallel(layer.role) ? !has_one_group && groups % ranks != 0
                                         : layer.shape.out_features % ranks != 0;
      },
      absl::StrCat("cannot be shared out among ", ranks, " ranks: its groups, or its rows, do not divide by them"));
}

}  // namespace pivot
