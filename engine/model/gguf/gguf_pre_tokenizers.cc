// SPDX-License-Identifier: Apache-2.0
#include "engine/model/gguf/gguf_pre_tokenizers.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace pivot {
namespace {

using nlohmann::json;

constexpr char kLlama3Words[] =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kQwen2Words[] =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

json ByteLevel(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

json Sequence(json first, json second) {
  return {{"type", "Sequence"}, {"pretokenizers", json::array({std::move(first), std::move(second)})}};
}

json Split(const char* pattern) {
  return {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
}

// Source: llama-vocab.cpp of ggml-org/llama.cpp, and tokenizer.json of the families that are named.
const std::vector<GgufPreTokenizer>& Table() {
  static const std::vector<GgufPreTokenizer>& table = *new std::vector<GgufPreTokenizer>{
      {.names = {"gpt-2", "phi-2"}, .pre_tokenizer = ByteLevel(true)},
      {.names = {"llama-bpe", "llama3", "llama-v3"},
       .pre_tokenizer = Sequence(Split(kLlama3Words), ByteLevel(false)),
       .ignores_merges = true,
       .adds_bos = true},
      {.names = {"qwen2", "deepseek-r1-qwen"},
       .pre_tokenizer = Sequence(Split(kQwen2Words), ByteLevel(false)),
       .normalizer = "NFC"},
      {.names = {"smollm"},
       .pre_tokenizer = Sequence({{"type", "Digits"}, {"individual_digits", true}}, ByteLevel(true))},
  };
  return table;
}

/// What does not change the words is dropped, what is implied is said, and sequences lie flat.
void AppendSteps(const json& component, json& steps) {
  if (!component.is_object()) return;
  if (component.value("type", json()) == "Sequence") {
    for (const json& part : component.value("pretokenizers", json::array())) AppendSteps(part, steps);
    return;
  }
  json step = component;
  step.erase("trim_offsets");
  if (step.value("type", json()) == "ByteLevel" && !step.contains("use_regex")) step["use_regex"] = true;
  steps.push_back(std::move(step));
}

json StepsOf(const json& component) {
  json steps = json::array();
  AppendSteps(component, steps);
  return steps;
}

/// The name of the only normalizer; empty when there is none, "?" for anything else.
std::string NormalizerName(const json& normalizer) {
  if (normalizer.is_null()) return "";
  if (!normalizer.is_object()) return "?";
  const json parts = normalizer.value("normalizers", json());
  if (normalizer.value("type", json()) == "Sequence" && parts.is_array())
    return parts.empty() ? "" : parts.size() == 1 ? NormalizerName(parts[0]) : "?";
  return normalizer == json{{"type", "NFC"}} ? "NFC" : "?";
}

}  // namespace

const GgufPreTokenizer* FindGgufPreTokenizer(absl::string_view name) {
  for (const GgufPreTokenizer& entry : Table()) {
    if (std::find(entry.names.begin(), entry.names.end(), name) != entry.names.end()) return &entry;
  }
  return nullptr;
}

const GgufPreTokenizer* MatchGgufPreTokenizer(const json& tokenizer) {
  const json steps = StepsOf(tokenizer.value("pre_tokenizer", json()));
  const std::string normalizer = NormalizerName(tokenizer.value("normalizer", json()));
  const json model = tokenizer.value("model", json::object());
  const bool ignores_merges = model.is_object() && model.value("ignore_merges", json(false)) == json(true);
  for (const GgufPreTokenizer& entry : Table()) {
    const bool normalizes_alike = normalizer.empty() || normalizer == entry.normalizer;
    if (normalizes_alike && ignores_merges == entry.ignores_merges && steps == StepsOf(entry.pre_tokenizer))
      return &entry;
  }
  return nullptr;
}

std::string GgufPreTokenizerNames() {
  return absl::StrJoin(Table(), ", ", [](std::string* out, const GgufPreTokenizer& entry) {
    absl::StrAppend(out, entry.names.front());
  });
}

}  // namespace pivot
