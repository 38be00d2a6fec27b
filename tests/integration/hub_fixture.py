# SPDX-License-Identifier: Apache-2.0
"""Tests with a hub of their own, a cache of their own, and pivot-fetch."""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

from hub_server import HubServer, Repository
from programs import BIN

MIB = 1 << 20
HUB_VARIABLES = ("HF_", "HUGGING", "TRANSFORMERS_", "http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT", "CURL_CA")


def random_bytes(size, seed=0):
    return random.Random(seed).randbytes(size)


def plain_files(weights):
    """A repository as people make them: a model, and things that are no part of it."""
    return {
        ".gitattributes": b"*.safetensors filter=lfs",
        "README.md": b"# A model",
        "LICENSE": b"Apache-2.0",
        "config.json": b'{"model_type": "llama"}',
        "generation_config.json": b"{}",
        "tokenizer.json": random_bytes(30000, 1),
        "tokenizer_config.json": b'{"a": 1}',
        "chat_template.jinja": b"{{ messages }}",
        "modeling_custom.py": b"import os",
        "pytorch_model.bin": b"\x80\x02}q\x00.",
        "onnx/config.json": b"{}",
        "model.safetensors": weights,
    }


class Answer:
    """What pivot-fetch said."""

    def __init__(self, lines, error_text, exit_code):
        objects = [json.loads(line) for line in lines.splitlines()]
        self.text = lines + error_text
        self.exit_code = exit_code
        self.notes = " ".join(o["note"] for o in objects if "note" in o)
        self.progress = [o["progress"] for o in objects if "progress" in o]
        self.fetch = next((o["fetch"] for o in objects if "fetch" in o), None)
        self.error = next((o["error"] for o in objects if "error" in o), None)


class HubTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="pivot-hub-")
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.home = self.folder / "home"
        self.cache = self.home / "hub"
        self.hub = HubServer()
        self.addCleanup(self.hub.close)
        self.weights = random_bytes(3 * MIB)
        self.repository = self.hub.repositories["tiny/model"] = Repository(plain_files(self.weights))
        self.stored = self.cache / "models--tiny--model"
        self.snapshot = self.stored / "snapshots" / self.repository.commit

    def environment(self, **more):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(HUB_VARIABLES)}
        return kept | {"HF_HOME": str(self.home), "HF_ENDPOINT": self.hub.endpoint, "HF_HUB_DISABLE_TELEMETRY": "1"} | more

    def start_fetch(self, source="hf://tiny/model", **environment):
        process = subprocess.Popen(
            [BIN / "pivot-fetch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment(**environment)
        )
        process.stdin.write(json.dumps({"source": source}))
        process.stdin.close()
        process.stdin = None
        return process

    def end_fetch(self, process, timeout=60):
        out, err = process.communicate(timeout=timeout)
        return Answer(out, err, process.returncode)

    def fetch(self, source="hf://tiny/model", **environment):
        return self.end_fetch(self.start_fetch(source, **environment))

    def assert_fetched(self, answer, path=None):
        self.assertIsNone(answer.error)
        self.assertEqual(answer.exit_code, 0, answer.text)
        self.assertEqual(answer.fetch["path"], str(path or self.snapshot))
        self.assertEqual((self.snapshot / "model.safetensors").read_bytes(), self.repository.files["model.safetensors"])

    def assert_refused(self, answer, reason, *phrases):
        self.assertIsNotNone(answer.error, answer.text)
        self.assertEqual(answer.error["reason"], reason, answer.error)
        self.assertEqual(answer.exit_code, 1)
        for phrase in phrases:
            self.assertIn(phrase, answer.error["message"])

    def python(self, code, **environment):
        """Runs a program with huggingface_hub in it; its output."""
        done = subprocess.run([sys.executable, "-c", code], env=self.environment(**environment), capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()
