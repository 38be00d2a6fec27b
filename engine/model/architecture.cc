// SPDX-License-Identifier: Apache-2.0
#include "engine/model/architecture.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace pivot {
namespace {

/// What all families with a gated MLP and separate projections share; an entry states what differs.
Architecture LlamaLike(absl::string_view model_type, absl::string_view class_name, BiasKind input_bias,
                       BiasKind output_bias) {
  return {
      .model_type = model_type,
      .class_name = class_name,
      .embedding = "model.embed_tokens.weight",
      .final_norm = "model.norm.weight",
      .head = "lm_head.weight",
      .block_prefix = "model.layers.",
      .attention_norm = "input_layernorm.weight",
      .mlp_norm = "post_attention_layernorm.weight",
      .activation = Activation::kSilu,
      .activation_name = "silu",
      .linears =
          {
              {LinearRole::kQuery, "self_attn.q_proj", input_bias},
              {LinearRole::kKey, "self_attn.k_proj", input_bias},
              {LinearRole::kValue, "self_attn.v_proj", input_bias},
              {LinearRole::kAttentionOutput, "self_attn.o_proj", output_bias},
              {LinearRole::kGate, "mlp.gate_proj", BiasKind::kMlpBias},
              {LinearRole::kUp, "mlp.up_proj", BiasKind::kMlpBias},
              {LinearRole::kDown, "mlp.down_proj", BiasKind::kMlpBias},
          },
      .groups =
          {
              {BlockInput::kAttention,
               {LinearRole::kQuery, LinearRole::kKey, LinearRole::kValue},
               "self_attn.qkv_proj"},
              {BlockInput::kAttentionOutput, {LinearRole::kAttentionOutput}, ""},
              {BlockInput::kMlp, {LinearRole::kGate, LinearRole::kUp}, "mlp.gate_up_proj"},
              {BlockInput::kMlpHidden, {LinearRole::kDown}, ""},
          },
  };
}

const std::vector<Architecture>& Table() {
  static const std::vector<Architecture>& table = *new std::vector<Architecture>{
      LlamaLike("llama", "LlamaForCausalLM", BiasKind::kAttentionBias, BiasKind::kAttentionBias),
      LlamaLike("qwen2", "Qwen2ForCausalLM", BiasKind::kAlways, BiasKind::kNone),
  };
  return table;
}

}  // namespace

const LinearEntry& Architecture::linear(LinearRole role) const {
  return *std::find_if(linears.begin(), linears.end(), [role](const LinearEntry& entry) { return entry.role == role; });
}

absl::Span<const Architecture> Architectures() { return Table(); }

const Architecture* FindArchitecture(absl::string_view model_type) {
  for (const Architecture& architecture : Table()) {
    if (architecture.model_type == model_type) return &architecture;
  }
  return nullptr;
}

std::string BlockPrefix(const Architecture& architecture, int block) {
  return absl::StrCat(architecture.block_prefix, block, ".");
}

}  // namespace pivot
