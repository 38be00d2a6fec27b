# SPDX-License-Identifier: Apache-2.0
"""quantization_config objects of every format that is read, and what they make of a layer's tensors."""


def compressed(weights, layout, **more):
    group = {"targets": ["re:.*layers\\.\\d+\\.(self_attn|mlp)\\..*_proj$"], "weights": weights, "input_activations": None, "output_activations": None}
    return {"quant_method": "compressed-tensors", "format": layout, "ignore": ["lm_head"], "config_groups": {"group_0": group}} | more


def weights(bits, strategy, group_size=None, kind="int", symmetric=True, **more):
    return {"num_bits": bits, "type": kind, "symmetric": symmetric, "strategy": strategy, "group_size": group_size, "dynamic": False} | more


def gptq(bits=4, group_size=8, **more):
    return {"quant_method": "gptq", "bits": bits, "group_size": group_size, "sym": True, "desc_act": False, "checkpoint_format": "gptq"} | more


FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3", "weight_block_size": [128, 128], "modules_to_not_convert": ["lm_head"]}
PACKED = compressed(weights(4, "group", 8), "pack-quantized")


def configs():
    yield PACKED
    yield compressed(weights(3, "channel", symmetric=False, actorder="static"), "pack-quantized")
    yield compressed(weights(8, "tensor", kind="float"), "float-quantized")
    yield compressed(weights(8, "block", kind="float", block_structure=[128, 128]), "float-quantized")
    yield compressed(weights(4, "tensor_group", 16, kind="float"), "nvfp4-pack-quantized")
    yield compressed(weights(4, "group", 32, kind="float"), "mxfp4-pack-quantized")
    yield compressed(weights(4, "group", 32), "pack-quantized", transform_config={})
    yield compressed(weights(4, "group", 32) | {"targets": ["re:(a+)+$", "re:((((((", "Linear"]}, "pack-quantized")
    yield gptq()
    yield gptq(8, -1, dynamic={"-:.*\\.mlp\\.gate$": {}, "+:.*down_proj$": {"bits": 8}}, checkpoint_format="gptq_v2")
    yield {"quant_method": "mixed_gptq", "bits": 4, "groupsize": 128, "quantization_bits": [{"self_attn.q_proj": {"bits": 2, "params": {"group_size": -1}}}]}
    yield {"quant_method": "auto-round", "bits": 4, "group_size": 128, "packing_format": "auto_round:auto_gptq", "extra_config": {"lm_head": {"bits": 16}}}
    yield {"quant_method": "gguf", "modules": {"model.layers.0.self_attn.q_proj": "Q4_K", "model.layers.1.mlp.down_proj": "Q6_K"}}
    yield FP8
    yield FP8 | {"weight_block_size": None}
    yield FP8 | {"weight_block_size": [0, -5], "modules_to_not_convert": None}
    yield {"quant_method": "awq", "bits": 4}


def folders():
    """Pairs of a configuration and a function of a module, its rows and columns that gives its tensors."""
    yield PACKED, lambda name, rows, columns: {
        f"{name}.weight_packed": ("I32", [rows, columns // 8]),
        f"{name}.weight_scale": ("BF16", [rows, columns // 8]),
        f"{name}.weight_shape": ("I64", [2]),
    }
    yield gptq(), lambda name, rows, columns: {
        f"{name}.qweight": ("I32", [columns // 8, rows]),
        f"{name}.qzeros": ("I32", [columns // 8, rows // 8]),
        f"{name}.scales": ("F16", [columns // 8, rows]),
        f"{name}.g_idx": ("I32", [columns]),
    }
    yield compressed(weights(8, "channel", kind="float"), "float-quantized"), lambda name, rows, columns: {
        f"{name}.weight": ("F8_E4M3", [rows, columns]),
        f"{name}.weight_scale": ("BF16", [rows, 1]),
    }
    yield FP8, lambda name, rows, columns: {
        f"{name}.weight": ("F8_E4M3", [rows, columns]),
        f"{name}.weight_scale_inv": ("F32", [-(-rows // 128), -(-columns // 128)]),
    }
