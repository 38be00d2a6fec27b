// SPDX-License-Identifier: Apache-2.0
// The entries of the table. Source: the configurations and models of transformers 5.24, which tests compare with.
#include "engine/model/architecture.h"

namespace pivot {
namespace {

/// What most families share: a gated MLP, separate projections, a normalization before each half. An entry states what
/// differs.
Architecture LlamaLike(absl::string_view model_type, absl::string_view class_name) {
  return {
      .model_type = model_type,
      .class_name = class_name,
      .embedding = "model.embed_tokens.weight",
      .final_norm = "model.norm",
      .head = "lm_head.weight",
      .block_prefix = "model.layers.",
      .norms = {{NormRole::kAttention, "input_layernorm"}, {NormRole::kMlp, "post_attention_layernorm"}},
      .linears =
          {
              {LinearRole::kQuery, "self_attn.q_proj", BiasKind::kAttentionBias},
              {LinearRole::kKey, "self_attn.k_proj", BiasKind::kAttentionBias},
              {LinearRole::kValue, "self_attn.v_proj", BiasKind::kAttentionBias},
              {LinearRole::kAttentionOutput, "self_attn.o_proj", BiasKind::kAttentionBias},
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

/// An MLP of two layers with an activation between them.
Architecture WithPlainMlp(Architecture family, absl::string_view up, absl::string_view down, BiasKind bias) {
  family.linears.resize(4);
  family.linears.push_back({LinearRole::kUp, up, bias});
  family.linears.push_back({LinearRole::kDown, down, bias});
  family.groups[2] = {BlockInput::kMlp, {LinearRole::kUp}, ""};
  return family;
}

Architecture Mistral() {
  Architecture family = LlamaLike("mistral", "MistralForCausalLM");
  for (LinearEntry& linear : family.linears) linear.bias = BiasKind::kNone;
  family.sliding = SlidingBlocks::kAll;
  family.defaults = R"({"sliding_window": 4096})";
  return family;
}

Architecture Qwen2() {
  Architecture family = LlamaLike("qwen2", "Qwen2ForCausalLM");
  for (size_t i = 0; i < 3; ++i) family.linears[i].bias = BiasKind::kAlways;
  family.linears[3].bias = BiasKind::kNone;
  family.sliding = SlidingBlocks::kFromALayer;
  family.defaults = R"({"sliding_window": 4096, "max_window_layers": 28})";
  return family;
}

Architecture Qwen3() {
  Architecture family = LlamaLike("qwen3", "Qwen3ForCausalLM");
  family.norms.push_back({NormRole::kQuery, "self_attn.q_norm"});
  family.norms.push_back({NormRole::kKey, "self_attn.k_norm"});
  family.sliding = SlidingBlocks::kFromALayer;
  family.defaults = R"({"head_dim": 128, "sliding_window": 4096, "max_window_layers": 28})";
  return family;
}

/// How most families compute and name a mixture; tensors of all experts are called as transformers 5 has them in
/// memory.
ExpertsEntry Experts(absl::string_view router, absl::string_view prefix) {
  return {.router = router,
          .prefix = prefix,
          .gate = "gate_proj",
          .up = "up_proj",
          .down = "down_proj",
          .groups = {{BlockInput::kMlp, {LinearRole::kExpertGate, LinearRole::kExpertUp}, ""},
                     {BlockInput::kMlpHidden, {LinearRole::kExpertDown}, ""}},
          .fused_router = "mlp.gate",
          .fused_gate_up = "mlp.experts.gate_up_proj",
          .fused_down = "mlp.experts.down_proj"};
}

/// Some blocks may have an MLP.
Architecture Qwen3Moe() {
  Architecture family = Qwen3();
  family.model_type = "qwen3_moe";
  family.class_name = "Qwen3MoeForCausalLM";
  for (size_t i = 4; i < family.linears.size(); ++i) family.linears[i].bias = BiasKind::kNone;
  family.sliding = SlidingBlocks::kNone;
  family.experts = Experts("mlp.gate", "mlp.experts.");
  family.renamed_keys = {{"num_local_experts", "num_experts"}};
  family.defaults = R"({"num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768,
      "norm_topk_prob": false, "decoder_sparse_step": 1})";
  family.required = R"({"use_sliding_window": false})";
  return family;
}

Architecture Mixtral() {
  Architecture family = LlamaLike("mixtral", "MixtralForCausalLM");
  family.linears.resize(4);
  for (LinearEntry& linear : family.linears) linear.bias = BiasKind::kNone;
  family.groups.resize(2);
  family.sliding = SlidingBlocks::kAll;
  family.experts = Experts("block_sparse_moe.gate", "block_sparse_moe.experts.");
  family.experts->gate = "w1";
  family.experts->up = "w3";
  family.experts->down = "w2";
  family.renamed_keys = {{"num_local_experts", "num_experts"}, {"intermediate_size", "moe_intermediate_size"}};
  family.defaults = R"({"rope_theta": 1000000.0, "rms_norm_eps": 1e-5, "num_experts": 8, "num_experts_per_tok": 2,
      "norm_topk_prob": true, "decoder_sparse_step": 1})";
  return family;
}

/// Every fourth block does not know positions.
Architecture SmolLm3() {
  Architecture family = LlamaLike("smollm3", "SmolLM3ForCausalLM");
  family.defaults = R"({"rope_theta": 2000000.0, "tie_word_embeddings": true, "no_rope_layer_interval": 4})";
  family.required = R"({"use_sliding_window": false})";
  return family;
}

Architecture Gemma() {
  Architecture family = LlamaLike("gemma", "GemmaForCausalLM");
  family.norm = NormKind::kRmsOffset;
  family.scales_embedding = true;
  family.renamed_keys = {{"hidden_activation", "hidden_act"}};
  family.defaults = R"({"hidden_act": "gelu_pytorch_tanh", "head_dim": 256, "tie_word_embeddings": true})";
  family.required = R"({"use_bidirectional_attention": false})";
  return family;
}

Architecture Gemma2() {
  Architecture family = Gemma();
  family.model_type = "gemma2";
  family.class_name = "Gemma2ForCausalLM";
  family.norms = {{NormRole::kAttention, "input_layernorm"},
                  {NormRole::kAttentionOutput, "post_attention_layernorm"},
                  {NormRole::kMlp, "pre_feedforward_layernorm"},
                  {NormRole::kMlpOutput, "post_feedforward_layernorm"}};
  family.sliding = SlidingBlocks::kFromTheFirst;
  family.defaults = R"({"hidden_act": "gelu_pytorch_tanh", "head_dim": 256, "tie_word_embeddings": true,
      "query_pre_attn_scalar": 256, "sliding_window": 4096, "sliding_window_pattern": 2,
      "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0})";
  return family;
}

Architecture Gemma3() {
  Architecture family = Gemma2();
  family.model_type = "gemma3_text";
  family.class_name = "Gemma3ForCausalLM";
  family.norms.push_back({NormRole::kQuery, "self_attn.q_norm"});
  family.norms.push_back({NormRole::kKey, "self_attn.k_norm"});
  family.defaults = R"({"hidden_act": "gelu_pytorch_tanh", "head_dim": 256, "tie_word_embeddings": true,
      "query_pre_attn_scalar": 256, "sliding_window": 4096, "sliding_window_pattern": 6, "rope_theta": 1000000.0,
      "rope_local_base_freq": 10000.0, "max_position_embeddings": 131072, "vocab_size": 262208,
      "num_attention_heads": 8, "num_key_value_heads": 4})";
  return family;
}

Architecture Phi3() {
  Architecture family = LlamaLike("phi3", "Phi3ForCausalLM");
  family.linears = {{LinearRole::kQueryKeyValue, "self_attn.qkv_proj"},
                    {LinearRole::kAttentionOutput, "self_attn.o_proj"},
                    {LinearRole::kGateUp, "mlp.gate_up_proj"},
                    {LinearRole::kDown, "mlp.down_proj"}};
  family.groups = {{BlockInput::kAttention, {LinearRole::kQueryKeyValue}, ""},
                   {BlockInput::kAttentionOutput, {LinearRole::kAttentionOutput}, ""},
                   {BlockInput::kMlp, {LinearRole::kGateUp}, ""},
                   {BlockInput::kMlpHidden, {LinearRole::kDown}, ""}};
  family.sliding = SlidingBlocks::kAll;
  family.defaults = R"({"rms_norm_eps": 1e-5, "max_position_embeddings": 4096})";
  return family;
}

Architecture Opt() {
  Architecture family = LlamaLike("opt", "OPTForCausalLM");
  family.embedding = "model.decoder.embed_tokens.weight";
  family.position_embedding = "model.decoder.embed_positions.weight";
  family.position_offset = 2;
  family.final_norm = "model.decoder.final_layer_norm";
  family.block_prefix = "model.decoder.layers.";
  family.norm = NormKind::kLayer;
  family.norms = {{NormRole::kAttention, "self_attn_layer_norm"}, {NormRole::kMlp, "final_layer_norm"}};
  family.linears[3].name = "self_attn.out_proj";
  family.renamed_keys = {
      {"ffn_dim", "intermediate_size"}, {"activation_function", "hidden_act"}, {"enable_bias", "attention_bias"}};
  family.defaults = R"({"hidden_act": "relu", "attention_bias": true, "rms_norm_eps": 1e-5,
      "tie_word_embeddings": true})";
  family.required = R"({"do_layer_norm_before": true, "_remove_final_layer_norm": false,
      "layer_norm_elementwise_affine": true})";
  return WithPlainMlp(std::move(family), "fc1", "fc2", BiasKind::kAttentionBias);
}

Architecture Olmo2() {
  Architecture family = LlamaLike("olmo2", "Olmo2ForCausalLM");
  family.norms = {{NormRole::kAttentionOutput, "post_attention_layernorm"},
                  {NormRole::kMlpOutput, "post_feedforward_layernorm"},
                  {NormRole::kQuery, "self_attn.q_norm"},
                  {NormRole::kKey, "self_attn.k_norm"}};
  family.head_norm = HeadNorm::kAllHeads;
  family.defaults = R"({"rms_norm_eps": 1e-5})";
  return family;
}

Architecture StarCoder2() {
  Architecture family = LlamaLike("starcoder2", "Starcoder2ForCausalLM");
  family.norm = NormKind::kLayer;
  family.sliding = SlidingBlocks::kAll;
  family.renamed_keys = {{"norm_epsilon", "rms_norm_eps"}, {"use_bias", "attention_bias"}};
  family.defaults = R"({"hidden_act": "gelu_pytorch_tanh", "attention_bias": true, "rms_norm_eps": 1e-5,
      "tie_word_embeddings": true})";
  return WithPlainMlp(std::move(family), "mlp.c_fc", "mlp.c_proj", BiasKind::kAttentionBias);
}

Architecture StableLm() {
  Architecture family = LlamaLike("stablelm", "StableLmForCausalLM");
  family.norm = NormKind::kLayer;
  family.linears[3].bias = BiasKind::kNone;
  family.renamed_keys = {{"layer_norm_eps", "rms_norm_eps"}, {"use_qkv_bias", "attention_bias"}};
  family.defaults = R"({"rms_norm_eps": 1e-5, "partial_rotary_factor": 0.25})";
  family.required = R"({"qk_layernorm": false, "use_parallel_residual": false})";
  return family;
}

/// Attention and MLP read the same normalized stream.
Architecture Phi() {
  Architecture family = LlamaLike("phi", "PhiForCausalLM");
  family.final_norm = "model.final_layernorm";
  family.head_has_bias = true;
  family.norm = NormKind::kLayer;
  family.order = BlockOrder::kParallel;
  family.norms = {{NormRole::kAttention, "input_layernorm"}, {NormRole::kMlp, "input_layernorm"}};
  for (LinearEntry& linear : family.linears) linear.bias = BiasKind::kAlways;
  family.linears[3].name = "self_attn.dense";
  family.renamed_keys = {{"layer_norm_eps", "rms_norm_eps"}};
  family.defaults = R"({"hidden_act": "gelu_new", "rms_norm_eps": 1e-5, "partial_rotary_factor": 0.5})";
  family.required = R"({"qk_layernorm": false})";
  return WithPlainMlp(std::move(family), "mlp.fc1", "mlp.fc2", BiasKind::kAlways);
}

Architecture GptNeoX() {
  Architecture family = LlamaLike("gpt_neox", "GPTNeoXForCausalLM");
  family.embedding = "gpt_neox.embed_in.weight";
  family.final_norm = "gpt_neox.final_layer_norm";
  family.head = "embed_out.weight";
  family.block_prefix = "gpt_neox.layers.";
  family.norm = NormKind::kLayer;
  family.order = BlockOrder::kAsConfigured;
  family.fused_heads = FusedHeads::kByHead;
  family.linears = {{LinearRole::kQueryKeyValue, "attention.query_key_value", BiasKind::kAttentionBias},
                    {LinearRole::kAttentionOutput, "attention.dense", BiasKind::kAttentionBias},
                    {LinearRole::kUp, "mlp.dense_h_to_4h", BiasKind::kAlways},
                    {LinearRole::kDown, "mlp.dense_4h_to_h", BiasKind::kAlways}};
  family.groups = {{BlockInput::kAttention, {LinearRole::kQueryKeyValue}, ""},
                   {BlockInput::kAttentionOutput, {LinearRole::kAttentionOutput}, ""},
                   {BlockInput::kMlp, {LinearRole::kUp}, ""},
                   {BlockInput::kMlpHidden, {LinearRole::kDown}, ""}};
  family.renamed_keys = {
      {"layer_norm_eps", "rms_norm_eps"}, {"rotary_pct", "partial_rotary_factor"}, {"rotary_emb_base", "rope_theta"}};
  family.defaults = R"({"hidden_act": "gelu", "rms_norm_eps": 1e-5, "partial_rotary_factor": 0.25,
      "attention_bias": true, "use_parallel_residual": true})";
  return family;
}

}  // namespace

absl::Span<const Architecture> Architectures() {
  static const std::vector<Architecture>& table = *new std::vector<Architecture>{
      LlamaLike("llama", "LlamaForCausalLM"),
      Mistral(),
      Qwen2(),
      Qwen3(),
      SmolLm3(),
      Gemma(),
      Gemma2(),
      Gemma3(),
      Phi3(),
      Opt(),
      Olmo2(),
      LlamaLike("granite", "GraniteForCausalLM"),
      StarCoder2(),
      StableLm(),
      Phi(),
      GptNeoX(),
      Qwen3Moe(),
      Mixtral(),
  };
  return table;
}

}  // namespace pivot
