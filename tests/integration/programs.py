# SPDX-License-Identifier: Apache-2.0
"""The built programs, run as a user runs them. PIVOT_BUILD_DIR names the build folder (build/dev by default)."""

import contextlib
import json
import os
import pathlib
import re
import select
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PIVOT_BUILD_DIR", ROOT / "build" / "dev"))
BIN = BUILD / "bin"
REAL_MODEL = ROOT / "build" / "models" / "SmolLM2-135M-Instruct"
SMALL_RUN = ["--group-size", "32", "--samples", "4", "--seq-len", "64", "--eval-tokens", "512"]


def pivot(*arguments, env=None, cwd=None, timeout=300):
    """Runs the client; never raises for its exit code."""
    command = [BIN / "pivot", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env=os.environ | (env or {}), cwd=cwd, timeout=timeout, stdin=subprocess.DEVNULL
    )


def last_object(text):
    return json.loads(text.strip().splitlines()[-1])


@contextlib.contextmanager
def pivotd(data, *arguments):
    """A server; yields the address it listens on and the process."""
    read_end, write_end = os.pipe()
    command = [BIN / "pivotd", "--data", data, "--ready-fd", str(write_end), *map(str, arguments)]
    process = subprocess.Popen(command, pass_fds=[write_end], stderr=subprocess.DEVNULL)
    os.close(write_end)
    try:
        ready, _, _ = select.select([read_end], [], [], 30)
        line = os.read(read_end, 4096).decode() if ready else ""
        found = re.match(r"ready (\S+)\n", line)
        assert found, f"pivotd said {line!r} and {process.poll()}"
        yield found[1], process
    finally:
        os.close(read_end)
        process.terminate()
        process.wait(timeout=60)


class FolderTest(unittest.TestCase):
    """A test with a folder of its own, and a tiny model in it."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="pivot-integration-")
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.model = self.folder / "model"
        subprocess.run([BUILD / "tests" / "write_tiny_model", self.model, "llama"], check=True)
        self.text = self.folder / "model.txt"

    def compress(self, *arguments, model=None, **options):
        texts = ["--calibration", self.text, "--eval", self.text]
        return pivot("compress", model or self.model, *SMALL_RUN, *texts, *arguments, **options)

    def assert_refused(self, done, exit_code, *phrases):
        """One sentence on stderr that has all the phrases."""
        self.assertEqual(done.returncode, exit_code, done.stderr)
        for phrase in phrases:
            self.assertIn(phrase, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"^pivot: [^\n]+\n$")
