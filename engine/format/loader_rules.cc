// SPDX-License-Identifier: Apache-2.0
#include "engine/format/loader_rules.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/format/gguf_checks.h"
#include "engine/format/loader_checks.h"

namespace pivot {
namespace {

/// What breaks the rule and what then happens, or "".
using Check = std::function<std::string(const LoaderSubject&)>;

struct Entry {
  LoaderRule rule;
  Check check;
};

const std::vector<Entry>& Table() {
  static const std::vector<Entry>& table = *new std::vector<Entry>{
      {{"fused-layers-share-a-scheme", RuleSeverity::kError, "vLLM, SGLang",
        "vLLM compressed_tensors get_scheme; intel/auto-round#2174, vllm-project/llm-compressor#2730"},
       FusedLayersShareAScheme},
      {{"shards-name-their-framework", RuleSeverity::kError, "transformers",
        "transformers 4 modeling_utils load_state_dict"},
       ShardsNameTheirFramework},
      {{"dense-packing-names-its-version", RuleSeverity::kError, "transformers, vLLM",
        "compressed-tensors 0.18 pack_quantized; vllm-project/compressed-tensors#719"},
       DensePackingNamesItsVersion},
      {{"gptq-sides-are-multiples-of-32", RuleSeverity::kError, "vLLM, transformers",
        "GPTQModel BaseQuantLinear; vLLM gptq"},
       GptqSidesAreMultiplesOf32},
      {{"gptq-exclusions-come-first", RuleSeverity::kError, "vLLM",
        "vLLM gptq_utils get_dynamic_override; ModelCloud/GPTQModel#1485"},
       ExclusionsComeFirst},
      {{"experts-share-a-scheme", RuleSeverity::kError, "vLLM, SGLang",
        "vLLM CompressedTensorsMoEMethod.get_moe_method: one scheme for the projections of all experts"},
       ExpertsShareAScheme},
      {{"experts-of-vllm", RuleSeverity::kWarning, "vLLM",
        "vLLM CompressedTensorsWNA16MoEMethod; vllm-project/vllm#39980, #48918"},
       ExpertsOfVllm},
      {{"divides-among-ranks", RuleSeverity::kWarning, "vLLM, SGLang", "vllm-project/vllm#2699, QwenLM/Qwen3#578"},
       DividesAmongRanks},
      {{"no-class-targets", RuleSeverity::kWarning, "vLLM", "vllm-project/vllm#49483"}, NoClassTargets},
      {{"gptq-bits", RuleSeverity::kWarning, "vLLM", "vllm-project/vllm#38288, #45051"}, GptqBitsOfVllm},
      {{"zero-points-in-transformers", RuleSeverity::kWarning, "transformers",
        "compressed-tensors 0.20, PackedQuantizationCompressor.compress on the meta device"},
       ZeroPointsInTransformers},
      {{"rare-bits", RuleSeverity::kWarning, "vLLM, SGLang", "vllm-project/vllm#46389"}, RareBitsOfVllm},
      {{"fused-layers-share-a-global-scale", RuleSeverity::kWarning, "vLLM",
        "vLLM compressed_tensors NVFP4 schemes, process_weights_after_loading"},
       FusedLayersShareAGlobalScale},
      {{"float4-in-recent-loaders", RuleSeverity::kWarning, "vLLM, SGLang", "vllm-project/vllm#18000, #31926, #56770"},
       Float4InRecentLoaders},
      {{"fits-the-fast-kernel", RuleSeverity::kWarning, "vLLM",
        "vLLM mixed_precision kernels, MarlinLinearKernel.can_implement"},
       FitsTheFastKernel},
  };
  return table;
}

/// Rules of GGUF files, which none of the others is about.
const std::vector<Entry>& GgufTable() {
  static const std::vector<Entry>& table = *new std::vector<Entry>{
      {{"gguf-vocabulary-fills-the-embedding", RuleSeverity::kError, "llama.cpp", "llama.cpp llama_model load_tensors"},
       VocabularyFillsTheEmbedding},
      {{"gguf-tensors-follow-each-other", RuleSeverity::kError, "llama.cpp", "llama.cpp gguf_init_from_file"},
       TensorsFollowEachOther},
      {{"gguf-names-its-pre-tokenizer", RuleSeverity::kWarning, "llama.cpp", "llama.cpp llama_vocab load"},
       NamesItsPreTokenizer},
  };
  return table;
}

}  // namespace

absl::Span<const LoaderRule> LoaderRules() {
  static const std::vector<LoaderRule>& rules = *[] {
    auto* list = new std::vector<LoaderRule>;
    for (const Entry& entry : Table()) list->push_back(entry.rule);
    for (const Entry& entry : GgufTable()) list->push_back(entry.rule);
    std::stable_sort(list->begin(), list->end(),
                     [](const LoaderRule& a, const LoaderRule& b) { return a.severity < b.severity; });
    return list;
  }();
  return rules;
}

std::vector<RuleFinding> CheckLoaderRules(const CheckpointFolder& folder, int target_tp) {
  const LoaderSubject subject = LoaderSubjectOf(folder, target_tp);
  std::vector<RuleFinding> findings;
  for (const Entry& entry : folder.model.gguf() != nullptr ? GgufTable() : Table()) {
    std::string message = entry.check(subject);
    if (!message.empty()) findings.push_back({.rule = &entry.rule, .message = std::move(message)});
  }
  return findings;
}

std::string DescribeFinding(const RuleFinding& finding) {
  return absl::StrCat(finding.rule->id, " (", finding.rule->loader, "): ", finding.message);
}

}  // namespace pivot
