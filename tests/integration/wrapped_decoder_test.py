#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Decoders inside models that read images too: transformers' logits of text, plain and compressed, under every name that their tensors have."""

import json
import pathlib
import sys
import unittest

import torch
import transformers
from safetensors.torch import load_file, save_file

from programs import FolderTest, pivot

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import tiny_families  # noqa: E402

TEXT = tiny_families.SIZES
VISION = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, image_size=28, patch_size=14)
LIMIT = 2e-4
LENGTH = 64


def gemma3():
    text = TEXT | dict(head_dim=32, sliding_window=24, num_hidden_layers=7, query_pre_attn_scalar=40)
    return transformers.Gemma3Config(text_config=text, vision_config=VISION, mm_tokens_per_image=4)


def mistral3():
    text = TEXT | dict(model_type="mistral", head_dim=16, sliding_window=None)
    vision = VISION | dict(model_type="pixtral", head_dim=16)
    return transformers.Mistral3Config(text_config=text, vision_config=vision, tie_word_embeddings=False)


def llava():
    return transformers.LlavaConfig(text_config=TEXT | dict(model_type="llama"), vision_config=VISION | dict(model_type="clip_vision_model"))


MODELS = {"gemma3": gemma3, "mistral3": mistral3, "llava": llava}


class WrappedDecoderTest(FolderTest):
    def write(self, name):
        torch.manual_seed(5)
        model = transformers.AutoModelForImageTextToText.from_config(MODELS[name](), attn_implementation="eager").eval()
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.05)
        folder = self.folder / name
        model.save_pretrained(folder)
        (folder / "tokenizer.json").write_bytes((self.model / "tokenizer.json").read_bytes())
        return folder, model

    def run_pivot(self, *arguments):
        done = pivot(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)

    def our_logits(self, folder):
        tokens, out = self.folder / "tokens.safetensors", self.folder / "logits.safetensors"
        save_file({"tokens": self.tokens()}, tokens)
        self.run_pivot("eval", folder, "--tokens", tokens, "--logits", out)
        return load_file(out)["logits"]

    def tokens(self):
        return torch.randint(3, 260, (2, LENGTH), generator=torch.Generator().manual_seed(1))

    @torch.no_grad()
    def their_logits(self, model):
        return model(input_ids=self.tokens(), use_cache=False).logits

    def compress(self, folder, *more):
        out = self.folder / f"{folder.name}-4bit{len(more)}"
        texts = ["--calibration", self.text, "--samples", "8", "--seq-len", "64", "--eval", "none"]
        self.run_pivot("compress", folder, "-o", out, "--group-size", "32", *texts, *more)
        return out

    def rename(self, folder, to):
        """The names that files of other versions have."""
        weights = {key.replace("language_model.model.", to): value for key, value in load_file(folder / "model.safetensors").items()}
        save_file({key.removeprefix("language_model."): value for key, value in weights.items()}, folder / "model.safetensors", {"format": "pt"})

    def test_text_gives_the_same_logits(self):
        for name in MODELS:
            with self.subTest(name):
                folder, model = self.write(name)
                theirs = self.their_logits(model)
                self.assertLess((self.our_logits(folder) - theirs).abs().max().item(), LIMIT)
                self.rename(folder, "model.language_model.")
                self.assertLess((self.our_logits(folder) - theirs).abs().max().item(), LIMIT, "under newer names")

    def test_another_decoder_gives_others(self):
        folder, model = self.write("gemma3")
        theirs = self.their_logits(model)
        weights = load_file(folder / "model.safetensors")
        weights["language_model.model.layers.6.mlp.down_proj.weight"][3] += 0.05
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        self.assertGreater((self.our_logits(folder) - theirs).abs().max().item(), LIMIT)

    @torch.no_grad()
    def test_compressed_models_load_with_their_towers(self):
        for name in MODELS:
            with self.subTest(name):
                folder, original = self.write(name)
                out = self.compress(folder)
                self.run_pivot("verify", out)
                model = transformers.AutoModelForImageTextToText.from_pretrained(out, dtype=torch.float32, attn_implementation="eager").eval()
                self.assertLess((self.our_logits(out) - self.their_logits(model)).abs().max().item(), LIMIT * 5)
                kept = {key: value for key, value in original.named_parameters() if "language_model" not in key or "norm" in key}
                self.assertTrue(any("vision" in key for key in kept))
                loaded = dict(model.named_parameters())
                for key, value in kept.items():
                    self.assertTrue(torch.equal(loaded[key], value), key)
                plan = json.loads((out / "pivot" / "plan.json").read_text())
                self.assertEqual(plan["architecture"], name)
                self.assertTrue(all("language_model" in module["name"] for module in plan["modules"]))

    def test_gptq_folders_leave_the_towers_out(self):
        folder, _ = self.write("llava")
        out = self.compress(folder, "--format", "gptq")
        dynamic = json.loads((out / "config.json").read_text())["quantization_config"]["dynamic"]
        self.assertIn("-:(.*\\.)?vision_tower(\\..*)?$", dynamic)
        self.run_pivot("verify", out)
        self.run_pivot("eval", out, "--text", self.text, "--max-tokens", "200")

    def test_gguf_is_refused(self):
        folder, _ = self.write("llava")
        done = pivot("compress", folder, "-o", self.folder / "out", "--format", "gguf", "--group-size", "32", "--eval", "none")
        self.assert_refused(done, 1, "GGUF files of llava are not written")


if __name__ == "__main__":
    unittest.main()
