# SPDX-License-Identifier: Apache-2.0
"""Tiny random models of every family, written by transformers: what our reading of a family is held against.

Weights are drawn from a generator of a fixed seed, so that equal versions write equal bytes. Each model has two or more blocks of
each kind that its family mixes, grouped heads where the family allows them, and sizes that differ wherever they may.
"""

import shutil

import torch
import transformers

SIZES = dict(
    vocab_size=320,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=512,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
)
WINDOW = 24

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "rope_theta": 10000.0}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
    "rope_theta": 500000.0,
}


def long_rope(pairs):
    factors = [1.0 + 0.1 * i for i in range(pairs)]
    return {
        "rope_type": "longrope",
        "short_factor": factors,
        "long_factor": [4.0 * f for f in factors],
        "original_max_position_embeddings": 48,
        "rope_theta": 10000.0,
    }


def without(sizes, *names):
    return {name: size for name, size in sizes.items() if name not in names}


# Fewer columns than those of the MLPs that some blocks have.
EXPERTS = dict(head_dim=32, num_hidden_layers=3, num_experts=6, num_experts_per_tok=2, moe_intermediate_size=96)

# Name: configuration class and what it is given beside SIZES (None: not given).
FAMILIES = {
    "llama": ("LlamaConfig", {}),
    "llama-biases": ("LlamaConfig", dict(attention_bias=True, mlp_bias=True, tie_word_embeddings=True, head_dim=32)),
    "llama-linear": ("LlamaConfig", dict(rope_parameters={"rope_type": "linear", "factor": 3.0, "rope_theta": 10000.0})),
    "llama-dynamic": ("LlamaConfig", dict(rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0})),
    "llama-yarn": ("LlamaConfig", dict(rope_parameters=YARN)),
    "llama-llama3": ("LlamaConfig", dict(rope_parameters=LLAMA3)),
    "mistral": ("MistralConfig", dict(sliding_window=WINDOW)),
    "mistral-full": ("MistralConfig", dict(sliding_window=None, head_dim=32)),
    "qwen2": ("Qwen2Config", {}),
    "qwen2-sliding": ("Qwen2Config", dict(use_sliding_window=True, sliding_window=WINDOW, max_window_layers=1)),
    "qwen3": ("Qwen3Config", dict(head_dim=32)),
    "smollm3": ("SmolLM3Config", dict(num_hidden_layers=4)),
    "gemma": ("GemmaConfig", dict(head_dim=32)),
    "gemma2": ("Gemma2Config", dict(head_dim=32, sliding_window=WINDOW, query_pre_attn_scalar=48, num_hidden_layers=3)),
    "gemma3": ("Gemma3TextConfig", dict(head_dim=32, sliding_window=WINDOW, query_pre_attn_scalar=40, num_hidden_layers=7)),
    "phi3": ("Phi3Config", dict(sliding_window=WINDOW)),
    "phi3-longrope": ("Phi3Config", dict(rope_parameters=long_rope(8), original_max_position_embeddings=48)),
    "phi3-partial": ("Phi3Config", dict(partial_rotary_factor=0.5)),
    "opt": ("OPTConfig", dict(ffn_dim=128, word_embed_proj_dim=64, intermediate_size=None, num_key_value_heads=None)),
    "olmo2": ("Olmo2Config", {}),
    "granite": (
        "GraniteConfig",
        dict(embedding_multiplier=6.0, residual_multiplier=0.4, attention_multiplier=0.3, logits_scaling=3.0),
    ),
    "starcoder2": ("Starcoder2Config", dict(sliding_window=WINDOW)),
    "stablelm": ("StableLmConfig", dict(partial_rotary_factor=0.25, use_qkv_bias=True)),
    "phi": ("PhiConfig", dict(partial_rotary_factor=0.5)),
    "gpt_neox": ("GPTNeoXConfig", dict(num_key_value_heads=None)),
    "gpt_neox-sequential": ("GPTNeoXConfig", dict(num_key_value_heads=None, use_parallel_residual=False)),
    "qwen3_moe": ("Qwen3MoeConfig", EXPERTS | dict(norm_topk_prob=True, mlp_only_layers=[1])),
    "qwen3_moe-step": ("Qwen3MoeConfig", EXPERTS | dict(num_hidden_layers=4, decoder_sparse_step=2)),
    "qwen3_moe-fused": ("Qwen3MoeConfig", EXPERTS | dict(norm_topk_prob=True)),
    "mixtral": ("MixtralConfig", dict(num_local_experts=4, num_experts_per_tok=2)),
    "mixtral-fused": ("MixtralConfig", dict(num_local_experts=5, num_experts_per_tok=3, sliding_window=WINDOW)),
}


def randomize(model, seed):
    """Matrices of a deviation of 0.12; vectors move by 0.1 from what they are initialized with."""
    generator = torch.Generator().manual_seed(seed)
    for _, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data = parameter.data + 0.1 * noise if parameter.dim() == 1 else 0.12 * noise


def make(name):
    kind, options = FAMILIES[name]
    settings = {key: value for key, value in (SIZES | options).items() if value is not None or key in ("sliding_window",)}
    config = getattr(transformers, kind)(**settings)
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()
    randomize(model, seed=len(name))
    model.tie_weights()
    return model


def write(name, folder, tokenizer):
    """The model in fp32 with the tokenizer of another folder, and itself. Fused: with a tensor for all experts of a block."""
    model = make(name)
    model.save_pretrained(folder, save_original_format=not name.endswith("-fused"))
    shutil.copy(tokenizer, folder / "tokenizer.json")
    return model
