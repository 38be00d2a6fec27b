#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Models of the hub where a user names them: every command that takes one."""

import json
import os
import shutil
import signal
import subprocess
import time
import unittest

from hub_fixture import HubTest
from hub_server import Repository
from programs import BIN, BUILD, SMALL_RUN, last_object, pivot, pivotd


class HubModelsTest(HubTest):
    def setUp(self):
        super().setUp()
        self.local = self.folder / "local"
        subprocess.run([BUILD / "tests" / "write_tiny_model", self.local, "llama"], check=True)
        files = {path.name: path.read_bytes() for path in self.local.iterdir()}
        self.repository = self.hub.repositories["tiny/model"] = Repository(files | {"model.py": b"import os"})
        self.texts = ["--calibration", self.folder / "local.txt", "--eval", self.folder / "local.txt"]
        self.work = self.folder / "work"
        self.work.mkdir()

    def pivot(self, *arguments, **environment):
        return pivot(*arguments, env=self.environment(**environment), cwd=self.work)

    def succeed(self, *arguments, **environment):
        done = self.pivot(*arguments, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_compress(self):
        done = self.succeed("compress", "hf://tiny/model", *SMALL_RUN, *self.texts, "--method", "rtn")
        self.assertIn("fetched", done.stderr)
        self.assertRegex(done.stderr, r"fetch: .* of ")
        out = self.work / "model-4bit"
        self.assertTrue((out / "pivot" / "manifest.json").exists())
        self.assertEqual(json.loads((out / "pivot" / "manifest.json").read_text())["source"]["name"], "tiny/model")
        again = self.succeed("compress", self.local, *SMALL_RUN, *self.texts, "--method", "rtn", "-o", "by-folder")
        self.assertNotIn("fetch", again.stderr)
        for path in out.glob("*.safetensors"):
            self.assertEqual(path.read_bytes(), (self.work / "by-folder" / path.name).read_bytes(), "the same model, the same bytes")

    def test_compress_tells_events(self):
        done = self.succeed("compress", "tiny/model", *SMALL_RUN, *self.texts, "--method", "rtn", "--json")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        fetches = [event for event in events if event["event"] == "fetch"]
        self.assertEqual(fetches[-1]["done_bytes"], fetches[-1]["total_bytes"])
        self.assertEqual(events[-1]["event"], "done")
        self.assertEqual(os.path.basename(events[-1]["output"]), "model-4bit")

    def test_commands_that_answer_with_one_object(self):
        lines = self.folder / "lines.jsonl"
        lines.write_text('"hello"\n', encoding="utf-8")
        self.assertEqual(
            self.succeed("tokenize", "tiny/model", "--jsonl", lines).stdout, self.succeed("tokenize", self.local, "--jsonl", lines).stdout
        )
        generate = ["--prompt", "hello", "--max-tokens", "4"]
        self.assertEqual(self.succeed("generate", "tiny/model", *generate).stdout, self.succeed("generate", self.local, *generate).stdout)
        score = ["--text", self.folder / "local.txt", "--max-tokens", "256", "--json"]
        done = self.succeed("eval", "hf://tiny/model", *score, "--reference", self.local)
        self.assertEqual(done.stdout.count("\n"), 1)
        self.assertAlmostEqual(last_object(done.stdout)["kl_mean"], 0, places=6)

    def test_looking_fetches_no_tensors(self):
        options = ["--group-size", "32", "--json"]
        for command, more in [("plan", options), ("inspect", ["--json"])]:
            answers = [last_object(self.succeed(command, model, *more).stdout) for model in ("hf://tiny/model", self.local)]
            for answer in answers:
                answer.pop("devices", None)  # with the memory that is free at the moment
            self.assertEqual(*answers)
            self.assertLess(self.hub.sent_bytes["model.safetensors"], len(self.repository.files["model.safetensors"]))
            self.hub.forget()
        self.assertFalse(self.snapshot.exists())
        self.succeed("generate", "hf://tiny/model", "--prompt", "hello", "--max-tokens", "1")
        self.hub.forget()
        self.succeed("plan", "hf://tiny/model", *options)
        self.assertEqual(self.hub.total_sent(), 0, "what the cache has is taken from there")

    def test_a_server_on_this_machine_reads_the_cache(self):
        self.cache.mkdir(parents=True)
        with pivotd(self.folder / "data", "--allow-path", self.cache, "--allow-path", self.folder) as (address, _):
            self.succeed("submit", "hf://tiny/model", *SMALL_RUN, *self.texts, "--method", "rtn", "--server", address, "--wait")
        with pivotd(self.folder / "other", "--allow-path", self.work) as (address, _):
            done = self.pivot("submit", "hf://tiny/model", "--server", address)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("--allow-path", done.stderr)

    def test_convert(self):
        self.succeed("convert", "tiny/model", "--format", "gguf", "-o", "gguf")
        self.hub.repositories["tiny/gguf"] = Repository({"a.gguf": next((self.work / "gguf").glob("*.gguf")).read_bytes(), "b.gguf": b"GGUF"})
        generate = ["--prompt", "hello", "--max-tokens", "4"]
        there = self.succeed("generate", "hf://tiny/gguf/a.gguf", *generate)
        self.assertEqual(there.stdout, self.succeed("generate", self.work / "gguf", *generate).stdout)

    def test_a_folder_wins(self):
        shutil.copytree(self.local, self.work / "tiny" / "model")
        self.succeed("inspect", "tiny/model")
        self.assertEqual(self.hub.requests, [])
        self.succeed("inspect", "hf://tiny/model")
        self.assertNotEqual(self.hub.requests, [])

    def test_offline(self):
        self.succeed("generate", "tiny/model", "--prompt", "hello", "--max-tokens", "1")
        self.hub.close()
        self.succeed("inspect", "tiny/model", HF_HUB_OFFLINE="1")
        done = self.pivot("inspect", "tiny/other", HF_HUB_OFFLINE="1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("there is no folder tiny/other here", done.stderr)
        self.assertIn("HF_HUB_OFFLINE", done.stderr)

    def test_refusals(self):
        for arguments, code, phrases in [
            (["inspect", "tiny/nothing"], 1, ["no folder tiny/nothing", "HF_TOKEN"]),
            (["inspect", "hf://tiny/model@"], 1, ["'@'"]),
            (["inspect", "nothing"], 1, ["does not exist", "hf://ORG/NAME"]),
            (["submit", "hf://tiny/model", "--server", "elsewhere.invalid:1"], 1, ["not on this machine"]),
        ]:
            with self.subTest(arguments=arguments):
                done = self.pivot(*arguments)
                self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
                for phrase in phrases:
                    self.assertIn(phrase, done.stderr)
        self.repository.gated = True
        self.assertEqual(self.pivot("inspect", "tiny/model").returncode, 3)
        self.repository.gated = False
        self.hub.flip = "config.json"
        done = self.pivot("inspect", "tiny/model")
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("config.json", done.stderr)

    def test_interrupting_keeps_what_has_come(self):
        self.repository.files["model.safetensors"] = os.urandom(9 << 20)
        self.hub.delay = 0.02
        process = subprocess.Popen(
            [BIN / "pivot", "generate", "hf://tiny/model", "--prompt", "hello"], env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        incomplete = self.stored / "blobs" / (self.repository.etag("model.safetensors") + ".incomplete")
        end = time.monotonic() + 20
        while not (incomplete.exists() and incomplete.stat().st_size > (1 << 20)):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 130, errors)
        there = incomplete.stat().st_size
        self.assertGreater(there, 1 << 20)
        time.sleep(0.5)
        self.assertEqual(incomplete.stat().st_size, there, "nobody fetches on")
        self.hub.delay = 0
        self.hub.forget()
        self.pivot("generate", "hf://tiny/model", "--prompt", "hello")
        self.assertEqual(self.hub.sent_bytes["model.safetensors"], (9 << 20) - there)


if __name__ == "__main__":
    unittest.main()
