#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Families that no table of ours has, rounded by `--method rtn`: transformers loads the result, with the weights that Pivot reads in it."""

import json
import pathlib
import sys
import unittest

import torch
import transformers

from programs import FolderTest, pivot

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import tiny_families  # noqa: E402

# Configuration, changes of its sizes, layers that are rounded, and how many parameters they are in transformers. A tied head; matrices of
# query, key and value under another prefix; experts beside a shared one, which transformers holds in tensors of three dimensions.
FAMILIES = {
    "cohere": (transformers.CohereConfig, {}, 14, 14),
    "mpt": (transformers.MptConfig, dict(d_model=64, n_heads=4, n_layers=2), 8, 8),
    "qwen2_moe": (
        transformers.Qwen2MoeConfig,
        dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=64, shared_expert_intermediate_size=96),
        14 + 2 * 3 * 4,
        14 + 2 * 2,
    ),
}


class UnknownFamilyTest(FolderTest):
    def write(self, name):
        config_class, changes, _, _ = FAMILIES[name]
        sizes = {key: size for key, size in (tiny_families.SIZES | changes).items() if size is not None}
        torch.manual_seed(3)
        folder = self.folder / name
        model = transformers.AutoModelForCausalLM.from_config(config_class(**sizes)).to(torch.bfloat16)
        model.save_pretrained(folder)
        return folder

    def run_pivot(self, *arguments):
        done = pivot(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def load(self, folder):
        return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, local_files_only=True).eval()

    @torch.no_grad()
    def check(self, name):
        source = self.write(name)
        out, plain = self.folder / f"{name}-4bit", self.folder / f"{name}-plain"
        done = self.run_pivot("compress", source, "-o", out, "--method", "rtn", "--group-size", "32")
        self.assertIn("nothing is measured", done.stderr)
        self.run_pivot("verify", out)
        self.run_pivot("convert", out, "--format", "bf16", "-o", plain)
        plan = json.loads((out / "pivot" / "plan.json").read_text())
        originals = self.load(source).state_dict()
        compressed, converted = self.load(out), self.load(plain)
        compressed(input_ids=torch.tensor([[5, 6, 7]]))  # decompresses
        loaded, expected = dict(compressed.named_parameters()), dict(converted.named_parameters())
        changed = 0
        for parameter, values in expected.items():
            self.assertTrue(torch.equal(loaded[parameter].bfloat16(), values), parameter)
            error = (values - originals[parameter]).float().norm() / originals[parameter].float().norm().clamp(min=1e-9)
            self.assertLess(error.item(), 0.15, parameter)
            changed += error.item() > 0
        return plan, changed

    def test_families_load_with_the_weights_that_were_written(self):
        for name, (_, _, layers, parameters) in FAMILIES.items():
            with self.subTest(name):
                plan, changed = self.check(name)
                self.assertEqual(plan["architecture"], name)
                self.assertEqual((len(plan["modules"]), changed), (layers, parameters))

    def test_matrices_that_lie_transposed_are_refused(self):
        torch.manual_seed(3)
        sizes = dict(vocab_size=320, n_embd=64, n_layer=2, n_head=4)
        transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes)).save_pretrained(self.folder / "gpt2")
        done = pivot("compress", self.folder / "gpt2", "-o", self.folder / "out", "--method", "rtn")
        self.assert_refused(done, 1, '"gpt2" is not supported', "lie transposed")

    def test_a_plan_says_what_is_left_out(self):
        source = self.write("cohere")
        done = self.run_pivot("plan", source, "--method", "rtn", "--json")
        plan = json.loads(done.stdout)
        self.assertEqual(len(plan["modules"]), 14)
        self.assertIn("14 linear layers found in 2 blocks (model.layers.N)", plan["warnings"][0])


if __name__ == "__main__":
    unittest.main()
