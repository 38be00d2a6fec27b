#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Wrong input: a sentence that says what to do, exit code 1 or 2, and nothing left behind."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import time
import unittest

from programs import BIN, REAL_MODEL, FolderTest, pivot, pivotd


class RefusalTest(FolderTest):
    def setUp(self):
        super().setUp()
        self.before = self.listing()

    def listing(self):
        return sorted(str(path) for path in self.folder.rglob("*"))

    def assert_compress_refused(self, exit_code, *phrases, arguments=(), model=None):
        self.before = self.listing()  # after the test has damaged what it wants to
        done = self.compress("-o", self.folder / "out", *arguments, model=model)
        self.assert_refused(done, exit_code, *phrases)
        self.assertEqual(self.listing(), self.before, "nothing is left behind")

    def edit_config(self, **changes):
        path = self.model / "config.json"
        config = json.loads(path.read_text(encoding="utf-8")) | changes
        path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}), encoding="utf-8")

    def test_missing_folder(self):
        self.assert_compress_refused(1, "nowhere", "does not exist", model=self.folder / "nowhere")

    def test_file_instead_of_a_folder(self):
        self.assert_compress_refused(1, "model.txt", model=self.text)

    def test_folder_without_config(self):
        (self.model / "config.json").unlink()
        self.assert_compress_refused(1, "config.json", "not a model folder")

    def test_unknown_architecture(self):
        self.edit_config(model_type="transmogrifier", architectures=["TransmogrifierForCausalLM"])
        self.assert_compress_refused(1, "transmogrifier", "supported model types: llama, mistral, qwen2", "--method rtn")
        for command in (["eval", self.model], ["generate", self.model, "--prompt", "The"]):
            self.assert_refused(pivot(*command), 1, "transmogrifier", "supported model types: llama")
        self.assert_refused(self.compress("-o", self.folder / "out", "--method", "rtn"), 1, "evaluation.text_path", "cannot be run")

    def test_truncated_weights(self):
        weights = self.model / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        self.assert_compress_refused(1, "model.safetensors")

    def test_lying_header(self):
        weights = self.model / "model.safetensors"
        data = bytearray(weights.read_bytes())
        data[0:8] = (1 << 40).to_bytes(8, "little")
        weights.write_bytes(data)
        self.assert_compress_refused(1, "model.safetensors")

    def test_missing_weights(self):
        (self.model / "model.safetensors").unlink()
        self.assert_compress_refused(1, "safetensors")

    def test_pickle_weights(self):
        (self.model / "model.safetensors").unlink()
        (self.model / "pytorch_model.bin").write_bytes(b"\x80\x02}q\x00.")
        self.assert_compress_refused(1, "pickle", "safetensors")

    def test_pickle_named_safetensors(self):
        (self.model / "model.safetensors").write_bytes(b"PK\x03\x04" + bytes(100) + b"archive/data.pkl")
        self.assert_compress_refused(1, "model.safetensors", "pickle")

    def test_weights_of_another_shape(self):
        self.edit_config(intermediate_size=256)
        self.assert_compress_refused(1, "mlp.")

    def test_missing_tokenizer(self):
        (self.model / "tokenizer.json").unlink()
        self.assert_compress_refused(1, "tokenizer.json")

    def test_group_size_that_divides_nothing(self):
        before = self.listing()
        done = pivot("compress", self.model, "-o", self.folder / "out", "--group-size", "48")
        self.assert_refused(done, 1, "48", "does not divide")
        self.assertEqual(self.listing(), before)

    def test_text_shorter_than_a_window(self):
        short = self.folder / "short.txt"
        short.write_text("Too short.", encoding="utf-8")
        done = pivot("compress", self.model, "-o", self.folder / "out", "--group-size", "32", "--calibration", short)
        self.assertEqual(done.returncode, 1)
        self.assertIn("use a longer text or shorter windows", done.stderr)
        self.assertFalse((self.folder / "out").exists())

    def test_wrong_usage(self):
        for arguments, phrase in [
            (["--bits", "1"], "--bits"),
            (["--bits", "8.5"], "--bits"),
            (["--bits", "four"], "--bits"),
            (["--no-such-flag"], "--no-such-flag"),
            (["--method", "magic"], "--method"),
            (["--device", "tpu"], "--device"),
            (["--qep", "2"], "--qep"),
        ]:
            with self.subTest(arguments=arguments):
                self.assert_compress_refused(2, phrase, arguments=arguments)
        self.assert_refused(pivot("compress"), 2, "MODEL")
        self.assert_refused(pivot("decompress", self.model), 2, "decompress")
        self.assert_refused(pivot(), 2, "no command")

    def test_full_output_folder(self):
        (self.folder / "out").mkdir()
        (self.folder / "out" / "precious").touch()
        self.assert_compress_refused(2, "is not empty", "--overwrite")

    def test_no_gpu(self):
        if pathlib.Path("/dev/nvidia0").exists():
            self.skipTest("there is a GPU here")
        self.assert_compress_refused(1, "cuda:0", "cpu", arguments=["--device", "cuda:0"])

    def test_server_that_is_not_there(self):
        self.assert_refused(pivot("ls", "--server", f"unix:{self.folder}/nobody.sock"), 4, "nobody.sock")

    def test_json_errors_go_to_stdout_too(self):
        done = pivot("compress", self.folder / "nowhere", "--json")
        self.assertEqual(done.returncode, 1)
        error = json.loads(done.stdout)["error"]
        self.assertEqual((error["code"], error["reason"]), ("NOT_FOUND", "SOURCE_NOT_FOUND"))

    def test_port_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = subprocess.run(
                [BIN / "pivotd", "--data", self.folder / "data", "--listen", f"127.0.0.1:{port}"], capture_output=True, text=True, timeout=60
            )
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"127.0.0.1:{port}", done.stderr)
        self.assertIn("choose another", done.stderr)
        self.assertEqual(self.listing(), self.before)

    def test_address_that_others_could_reach(self):
        done = subprocess.run([BIN / "pivotd", "--data", self.folder / "data", "--listen", "0.0.0.0:7070"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("loopback", done.stderr)
        self.assertEqual(self.listing(), self.before)

    def test_path_outside_what_the_server_may_read(self):
        with pivotd(self.folder / "data", "--allow-path", self.folder / "model") as (address, _):
            other = self.folder / "other"
            subprocess.run(["cp", "-r", self.model, other], check=True)
            done = pivot("submit", other, "--server", address)
            self.assert_refused(done, 3, "other", "--allow-path")


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of its own. Needs root."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        raise unittest.SkipTest(f"cannot mount a small disk: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(path, left):
    """Takes all of the disk but `left` bytes."""
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)) == 4096:
            pass
    os.truncate(path, path.stat().st_size - left)


class FullDiskTest(FolderTest):
    def test_disk_that_cannot_hold_the_result_is_refused_before_any_work(self):
        with small_disk(self.folder / "disk", "200k") as disk:
            done = self.compress("-o", disk / "out")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertRegex(done.stderr, r"No space left|free|space")
            self.assertEqual(sorted(os.listdir(disk)), [])

    def test_disk_that_cannot_hold_a_conversion_is_refused_before_any_work(self):
        source = self.folder / "out"
        self.assertEqual(pivot("compress", REAL_MODEL, "-o", source, "--method", "rtn", "--eval", "none").returncode, 0)
        with small_disk(self.folder / "disk", "96m") as disk:
            done = pivot("convert", source, "--format", "gptq", "-o", disk / "gptq")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertRegex(done.stderr, r"the conversion needs \d+ bytes .* are free; free some space")
            self.assertFalse((disk / "gptq").exists())

    def test_full_disk_of_a_server_refuses_every_job_until_there_is_room(self):
        with small_disk(self.folder / "disk", "80m") as disk:
            with pivotd(disk / "data", "--allow-path", self.folder) as (address, _):
                filler = disk / "filler"
                # Room for a row, but not for saying later that the job has failed.
                fill(filler, 64 * 1024)
                start = time.monotonic()
                done = self.compress("-o", self.folder / "out", "--server", address)
                self.assert_refused(done, 1, "are free; free some space")
                refused = pivot("generate", self.model, "--prompt", "a", "--server", address)
                self.assert_refused(refused, 1, "takes no jobs with less than", "free some space")
                self.assertLess(time.monotonic() - start, 20, "nobody tries again and again")
                self.assertFalse((self.folder / "out").exists())
                filler.unlink()
                again = self.compress("-o", self.folder / "out", "--server", address)
                self.assertEqual(again.returncode, 0, again.stderr)


if __name__ == "__main__":
    unittest.main()
