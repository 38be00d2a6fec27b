// SPDX-License-Identifier: Apache-2.0
#include "engine/model/gguf/gguf_names.h"

#include <array>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace pivot {
namespace {

constexpr std::array<GgufFamily, 2> kFamilies = {{
    {"llama", "llama", /*interleaves_rotary_rows=*/true},
    {"qwen2", "qwen2", /*interleaves_rotary_rows=*/false},
}};

// Positions are those of LinearRole; families with experts are not read.
constexpr std::array<absl::string_view, kNumLinearRoles> kLinearNames = {
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down", "attn_qkv", "ffn_up"};
// Positions are those of NormRole.
constexpr std::array<absl::string_view, kNumNormRoles> kNormNames = {
    "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm", "attn_q_norm", "attn_k_norm"};
constexpr absl::string_view kBlockPrefix = "blk.";

/// Names of config.json's families and of GGUF: what a whole model has once, or what a block has.
using NamePairs = std::vector<std::pair<std::string, std::string>>;

NamePairs ModelNames(const Architecture& architecture) {
  return {{std::string(architecture.embedding), "token_embd.weight"},
          {absl::StrCat(architecture.final_norm, ".weight"), "output_norm.weight"},
          {std::string(architecture.head), "output.weight"}};
}

NamePairs BlockNames(const Architecture& architecture) {
  NamePairs names;
  for (const NormEntry& norm : architecture.norms) {
    names.emplace_back(absl::StrCat(norm.name, ".weight"),
                       absl::StrCat(kNormNames[static_cast<size_t>(norm.role)], ".weight"));
  }
  for (const LinearEntry& linear : architecture.linears) {
    const absl::string_view gguf = kLinearNames[static_cast<size_t>(linear.role)];
    for (const char* part : {".weight", ".bias"})
      names.emplace_back(absl::StrCat(linear.name, part), absl::StrCat(gguf, part));
  }
  return names;
}

/// "3" and the rest of "model.layers.3.rest".
std::optional<std::pair<int, absl::string_view>> SplitBlock(absl::string_view name, absl::string_view prefix) {
  int block = 0;
  if (!absl::ConsumePrefix(&name, prefix)) return std::nullopt;
  const size_t dot = name.find('.');
  if (dot == name.npos || !absl::SimpleAtoi(name.substr(0, dot), &block)) return std::nullopt;
  return std::pair(block, name.substr(dot + 1));
}

std::string MoveRows(absl::string_view bytes, int64_t rows, int64_t heads, bool interleaves) {
  std::string moved(bytes.size(), '\0');
  const auto row_bytes = bytes.size() / static_cast<size_t>(rows);
  const int64_t half = rows / heads / 2;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t head = row / (2 * half);
    const int64_t place = row % (2 * half);
    const int64_t other = head * 2 * half + place % half * 2 + place / half;
    const auto from = static_cast<size_t>(interleaves ? row : other);
    const auto to = static_cast<size_t>(interleaves ? other : row);
    bytes.copy(moved.data() + to * row_bytes, row_bytes, from * row_bytes);
  }
  return moved;
}

}  // namespace

const GgufFamily* GgufFamilyOf(const Architecture& architecture) {
  for (const GgufFamily& family : kFamilies) {
    if (family.model_type == architecture.model_type) return &family;
  }
  return nullptr;
}

const GgufFamily* FindGgufFamily(absl::string_view gguf_architecture) {
  for (const GgufFamily& family : kFamilies) {
    if (family.architecture == gguf_architecture) return &family;
  }
  return nullptr;
}

std::string GgufFamilyNames() {
  return absl::StrJoin(kFamilies, ", ",
                       [](std::string* out, const GgufFamily& family) { absl::StrAppend(out, family.architecture); });
}

std::optional<std::string> GgufTensorName(const Architecture& architecture, absl::string_view name) {
  for (const auto& [here, there] : ModelNames(architecture)) {
    if (here == name) return there;
  }
  const auto split = SplitBlock(name, architecture.block_prefix);
  if (!split.has_value()) return std::nullopt;
  for (const auto& [here, there] : BlockNames(architecture)) {
    if (here == split->second) return absl::StrCat(kBlockPrefix, split->first, ".", there);
  }
  return std::nullopt;
}

std::optional<std::string> NameOfGgufTensor(const Architecture& architecture, absl::string_view gguf_name) {
  for (const auto& [here, there] : ModelNames(architecture)) {
    if (there == gguf_name) return here;
  }
  const auto split = SplitBlock(gguf_name, kBlockPrefix);
  if (!split.has_value()) return std::nullopt;
  for (const auto& [here, there] : BlockNames(architecture)) {
    if (there == split->second) return BlockPrefix(architecture, split->first) + here;
  }
  return std::nullopt;
}

int64_t InterleavedHeads(const ModelConfig& config, absl::string_view name) {
  const GgufFamily* family = GgufFamilyOf(*config.architecture);
  const auto split = SplitBlock(name, config.architecture->block_prefix);
  if (family == nullptr || !family->interleaves_rotary_rows || !split.has_value()) return 0;
  const absl::string_view module = split->second.substr(0, split->second.rfind('.'));
  if (module == config.architecture->linear(LinearRole::kQuery).name) return config.num_heads;
  return module == config.architecture->linear(LinearRole::kKey).name ? config.num_kv_heads : 0;
}

std::string InterleaveRows(absl::string_view bytes, int64_t rows, int64_t heads) {
  return MoveRows(bytes, rows, heads, /*interleaves=*/true);
}

std::string SeparateRows(absl::string_view bytes, int64_t rows, int64_t heads) {
  return MoveRows(bytes, rows, heads, /*interleaves=*/false);
}

}  // namespace pivot
