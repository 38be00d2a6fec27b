#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A model that somebody changes while it is read: the job says which file, and no process dies of a signal."""

import json
import os
import pathlib
import struct
import subprocess
import unittest

from programs import BIN, FolderTest, last_object, pivotd

CHANGED = "changed while it was read"
LONGER_RUN = ["--group-size", "32", "--samples", "64", "--seq-len", "64", "--eval-tokens", "512"]


def maps(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return ""


def children(pid):
    try:
        return [int(child) for task in os.listdir(f"/proc/{pid}/task") for child in pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
    except OSError:
        return []


def descendants(pid):
    for child in children(pid):
        yield child
        yield from descendants(child)


def command_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]
    except OSError:
        return ""


class ChangedSourceTest(FolderTest):
    def wait_for_mapping(self, processes, path, running):
        """Until one of the processes has the file mapped, or nothing runs any more."""
        while running():
            if any(str(path) in maps(pid) for pid in processes()):
                return
        self.fail(f"nobody has mapped {path}")

    def start_compress(self, *arguments):
        command = [BIN / "pivot", "compress", self.model, "-o", self.folder / "out", *LONGER_RUN]
        command += ["--calibration", self.text, "--eval", self.text, *arguments]
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        workers = lambda: [pid for pid in descendants(process.pid) if command_of(pid).endswith("pivot-worker")]  # noqa: E731
        weights = self.model / "model.safetensors"
        self.wait_for_mapping(workers, weights, lambda: process.poll() is None)
        return process, weights

    def test_a_file_that_becomes_shorter_under_a_worker(self):
        process, weights = self.start_compress("--json")
        os.truncate(weights, 4096)
        stdout, stderr = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1, stderr)
        self.assertIn(f"{weights} {CHANGED}", stderr)
        self.assertNotIn("attempt 2", stderr)
        error = last_object(stdout)["error"]
        self.assertEqual(error["reason"], "SOURCE_CHANGED")

    def test_a_file_that_is_written_anew_in_its_place(self):
        process, weights = self.start_compress()
        with weights.open("r+b") as file:
            file.seek(-2, os.SEEK_END)
            file.write(b"\0\0")
        _, stderr = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1, stderr)
        self.assertIn(f"{weights} {CHANGED}", stderr)
        self.assertFalse((self.folder / "out").exists())

    def test_a_file_whose_name_another_takes_is_read_to_its_end(self):
        process, weights = self.start_compress()
        other = self.folder / "other"
        other.write_bytes(b"something else")
        other.rename(weights)
        _, stderr = process.communicate(timeout=120)
        self.assertNotIn(CHANGED, stderr)

    def test_a_file_that_becomes_shorter_under_the_probe(self):
        # A header that takes a while to read.
        weights = self.model / "model.safetensors"
        tensor = '"%06d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
        header = ("{" + ",".join(tensor % number for number in range(400_000)) + "}").encode()
        weights.write_bytes(struct.pack("<Q", len(header)) + header)
        probe = subprocess.Popen([BIN / "pivot-probe"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        probe.stdin.write(json.dumps({"inspect": str(self.model)}))
        probe.stdin.close()
        self.wait_for_mapping(lambda: [probe.pid], weights, lambda: probe.poll() is None)
        os.truncate(weights, 4096)
        answer = json.loads(probe.stdout.read())
        probe.stdout.close()
        self.assertEqual(probe.wait(timeout=60), 0)
        self.assertEqual(answer["error"]["reason"], "SOURCE_CHANGED")
        self.assertIn(f"{weights} {CHANGED}", answer["error"]["message"])

    def test_a_server_goes_on_after_such_a_job(self):
        with pivotd(self.folder / "data", "--allow-path", self.folder) as (address, server):
            process, weights = None, self.model / "model.safetensors"
            content = weights.read_bytes()
            command = [BIN / "pivot", "compress", self.model, "-o", self.folder / "out", *LONGER_RUN, "--server", address]
            command += ["--calibration", self.text, "--eval", self.text]
            process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
            workers = lambda: [pid for pid in descendants(server.pid) if command_of(pid).endswith("pivot-worker")]  # noqa: E731
            self.wait_for_mapping(workers, weights, lambda: process.poll() is None)
            os.truncate(weights, 4096)
            _, stderr = process.communicate(timeout=120)
            self.assertIn(CHANGED, stderr)
            weights.write_bytes(content)
            done = self.compress("-o", self.folder / "again", "--server", address)
            self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
