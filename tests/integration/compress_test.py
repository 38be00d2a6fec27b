#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A model through the private server and through pivotd: the same bytes, resumed after an interruption, nothing left behind."""

import html.parser
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

from programs import BIN, SMALL_RUN, FolderTest, last_object, pivot, pivotd


def sockets_of(pid):
    """Local TCP ports that a process listens on."""
    inodes = set()
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(entry))
        if found:
            inodes.add(found[1])
    ports = []
    for table in "tcp", "tcp6":
        for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes and fields[3] == "0A":
                ports.append(fields[1])
    return ports


class PageReader(html.parser.HTMLParser):
    """Elements of a page, each of which must be closed in its turn."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.tags = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            raise AssertionError(f"</{tag}> at {self.getpos()}")


class CompressTest(FolderTest):
    def test_leaves_one_verified_folder_and_nothing_else(self):
        done = self.compress("-o", self.folder / "out")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"bits per weight[^\n]*4\.50")
        self.assertEqual(sorted(os.listdir(self.folder)), ["model", "model.txt", "out"])
        self.assertNotIn("\x1b", done.stderr + done.stdout, "no escape codes off a terminal")
        self.assertEqual(pivot("verify", self.folder / "out").returncode, 0)
        manifest = json.loads((self.folder / "out/pivot/manifest.json").read_text(encoding="utf-8"))
        listed = {entry["path"] for entry in manifest["files"]} | {"pivot/manifest.json"}
        present = {str(path.relative_to(self.folder / "out")) for path in (self.folder / "out").rglob("*") if path.is_file()}
        self.assertEqual(listed, present)

    def test_the_report_is_a_page_too(self):
        self.assertEqual(self.compress("-o", self.folder / "out").returncode, 0)
        page = (self.folder / "out/pivot/report.html").read_text(encoding="utf-8")
        reader = PageReader()
        reader.feed(page)
        reader.close()
        self.assertEqual(reader.open, [])
        self.assertEqual(reader.tags & {"script", "link", "img", "iframe", "object"}, set())
        modules = json.loads((self.folder / "out/pivot/plan.json").read_text(encoding="utf-8"))["modules"]
        self.assertEqual(len(re.findall(r'<rect class="cell b4"', page)), len(modules))
        self.assertEqual(pivot("report", self.folder / "out", "--html").stdout, page)

    def test_two_runs_write_the_same_weights_index_config_and_plan(self):
        hashes = set()
        for name in "a", "b":
            self.assertEqual(self.compress("-o", self.folder / name).returncode, 0)
            hashes.add(json.loads((self.folder / name / "pivot/manifest.json").read_text(encoding="utf-8"))["content_sha256"])
        self.assertEqual(len(hashes), 1)

    def test_documents_of_a_data_set_are_sampled_and_reported(self):
        words = self.text.read_text(encoding="utf-8")
        records = [{"body": words[at : at + 900]} for at in range(0, 4500, 900)] + [{"body": "short"}]
        data = self.folder / "data.jsonl"
        data.write_text("".join(json.dumps(record) + "\n" for record in records[::-1]), encoding="utf-8")
        options = ["--calibration", data, "--text-key", "body", "--calibration-strategy", "drop_rand"]
        done = pivot("compress", self.model, "-o", self.folder / "out", *SMALL_RUN, *options, "--eval", self.text)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads((self.folder / "out/pivot/report.json").read_text(encoding="utf-8"))["calibration"]
        self.assertEqual(report["documents"], {"total": 6, "read": 5, "kept": 4, "dropped": {"empty": 0, "too_short": 1}})
        self.assertRegex(pivot("report", self.folder / "out").stdout, "4 of 5 read of 6; dropped: 1 too_short")
        refused = pivot("compress", self.model, "-o", self.folder / "b", *SMALL_RUN, *options[:2], "--eval", self.text)
        self.assertEqual(refused.returncode, 1)
        self.assertIn('data.jsonl: line 1 has no member "text", only body', refused.stderr)
        self.assertFalse((self.folder / ".b.pivot").exists(), "nothing was finished that the same command could go on from")

    def test_a_server_gives_the_same_as_the_private_one(self):
        self.assertEqual(self.compress("-o", self.folder / "private").returncode, 0)
        with pivotd(self.folder / "data", "--allow-path", self.folder, "--listen", "127.0.0.1:0") as (address, _):
            done = self.compress("-o", self.folder / "remote", "--server", address)
            self.assertEqual(done.returncode, 0, done.stderr)
            listed = last_object(pivot("ls", "--server", address, "--json").stdout)
            job = json.dumps(listed)
            self.assertIn("succeeded", job)
        for name in "model.safetensors.index.json", "config.json", "model-00001-of-00005.safetensors":
            self.assertEqual(*[(self.folder / side / name).read_bytes() for side in ("private", "remote")], name)

    def test_the_private_server_has_no_port(self):
        command = [BIN / "pivot", "compress", self.model, "-o", self.folder / "out", *SMALL_RUN, "--calibration", self.text, "--eval", self.text]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
            ports, seen = [], False
            while process.poll() is None:
                try:
                    for child in children.read_text(encoding="ascii").split():
                        seen = seen or (pathlib.Path(f"/proc/{child}/comm").read_text(encoding="ascii").strip() == "pivotd")
                        ports += sockets_of(child)
                except (FileNotFoundError, ProcessLookupError):
                    continue  # it ended while we looked
                time.sleep(0.005)
        self.assertEqual(process.returncode, 0)
        self.assertTrue(seen, "the private server was looked at")
        self.assertEqual(ports, [])

    def test_json_is_one_object_an_event_and_ends_with_done(self):
        done = self.compress("-o", self.folder / "out", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertTrue(all("schema" in event for event in events))
        self.assertEqual(events[-1]["event"], "done")
        self.assertEqual(events[-1]["output"], str(self.folder / "out"))
        (published,) = events[-1]["pivots"]
        self.assertEqual(published["number"], 0)
        self.assertGreater(published["perplexity"], 1)
        self.assertGreaterEqual(published["kl_mean"], 0)

    def test_an_evaluation_equals_the_one_that_compress_made(self):
        done = self.compress("-o", self.folder / "out", "--dtype", "float32", "--json")
        (published,) = last_object(done.stdout)["pivots"]
        arguments = ["--text", self.text, "--max-tokens", "512", "--reference", self.model, "--json"]
        measured = last_object(pivot("eval", self.folder / "out", *arguments).stdout)
        self.assertAlmostEqual(measured["perplexity"], published["perplexity"], delta=1e-6 * published["perplexity"])
        self.assertAlmostEqual(measured["kl_mean"], published["kl_mean"], delta=1e-6)

    def test_converts_to_another_format_and_back(self):
        self.assertEqual(self.compress("-o", self.folder / "out").returncode, 0)
        for source, form, name in ("out", "gptq", "gptq"), ("gptq", "compressed-tensors", "back"), ("out", "bf16", "plain"):
            done = pivot("convert", self.folder / source, "--format", form, "-o", self.folder / name)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(pivot("verify", self.folder / name).returncode, 0)
        arguments = ["--text", self.text, "--max-tokens", "512", "--json"]
        measured = {last_object(pivot("eval", self.folder / name, *arguments).stdout)["perplexity"] for name in ("out", "gptq", "back")}
        self.assertEqual(len(measured), 1, "the weights are the same, bit for bit")
        refused = pivot("convert", self.model, "--format", "gptq", "-o", self.folder / "none")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("is not quantized; pivot compress", refused.stderr)
        self.assertFalse((self.folder / "none").exists())

    def test_writes_two_formats_at_once(self):
        done = self.compress("-o", self.folder / "out", "--format", "both", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(last_object(done.stdout)["folders"], ["compressed-tensors", "gptq"])
        self.assertEqual(sorted(os.listdir(self.folder / "out")), ["compressed-tensors", "gptq", "pivot"])
        measured = set()
        for name in "compressed-tensors", "gptq":
            self.assertEqual(pivot("verify", self.folder / "out" / name).returncode, 0)
            arguments = ["--text", self.text, "--max-tokens", "512", "--json"]
            measured.add(last_object(pivot("eval", self.folder / "out" / name, *arguments).stdout)["perplexity"])
        self.assertEqual(len(measured), 1, "the weights are the same, bit for bit")
        self.assertEqual(pivot("verify", self.folder / "out").returncode, 0)
        for command in ["eval"], ["inspect"], ["generate", "--prompt", "a"], ["convert", "--format", "gptq", "-o", self.folder / "none"]:
            refused = pivot(command[0], self.folder / "out", *command[1:])
            self.assert_refused(refused, 1, "out/compressed-tensors or ", "out/gptq")
        shard = self.folder / "out/gptq/model-00002-of-00005.safetensors"
        shard.chmod(0o644)
        shard.write_bytes(shard.read_bytes()[:-1] + b"\x00")
        self.assertEqual(pivot("verify", self.folder / "out/compressed-tensors").returncode, 0)
        for folder in "out", "out/gptq":
            damaged = pivot("verify", self.folder / folder)
            self.assertEqual(damaged.returncode, 5)
            self.assertIn("model-00002-of-00005.safetensors", damaged.stdout)

    def test_generates_text_from_both_folders(self):
        self.assertEqual(self.compress("-o", self.folder / "out").returncode, 0)
        for folder in self.model, self.folder / "out":
            done = pivot("generate", folder, "--prompt", "The river", "--max-tokens", "8")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertGreater(len(done.stdout), 0)

    def test_verify_finds_one_flipped_bit(self):
        self.assertEqual(self.compress("-o", self.folder / "out").returncode, 0)
        shard = self.folder / "out" / "model-00002-of-00005.safetensors"
        data = bytearray(shard.read_bytes())
        data[-1] ^= 1
        os.chmod(shard, 0o644)
        shard.write_bytes(data)
        done = pivot("verify", self.folder / "out")
        self.assertEqual(done.returncode, 5)
        self.assertIn("model-00002-of-00005.safetensors", done.stdout + done.stderr)


class InterruptTest(FolderTest):
    """Slow enough to be interrupted between the first and the last block."""

    SLOW = ["--group-size", "32", "--samples", "400", "--seq-len", "512", "--eval", "none"]

    def start(self):
        command = [BIN / "pivot", "compress", self.model, "-o", self.folder / "out", *self.SLOW, "--calibration", self.text, "--json"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def stop_after_first_block(self, signal_number):
        process = self.start()
        for line in process.stdout:
            if "block_done" in json.loads(line):
                break
        process.send_signal(signal_number)
        rest, messages = process.communicate(timeout=60)
        return process.returncode, rest, messages

    def finish(self):
        with self.start() as process:
            output, messages = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 0, messages)
        return [json.loads(line) for line in output.splitlines()]

    def expect_resumed(self, events):
        blocks = [event["block_done"] for event in events if "block_done" in event]
        self.assertTrue(any(block.get("resumed") for block in blocks), blocks)
        self.assertEqual(sorted(os.listdir(self.folder)), ["model", "model.txt", "out"])

    def content(self):
        manifest = json.loads((self.folder / "out/pivot/manifest.json").read_text(encoding="utf-8"))
        return manifest["content_sha256"]

    def test_ctrl_c_keeps_finished_blocks_and_the_same_command_goes_on_to_the_same_bytes(self):
        self.finish()
        uninterrupted = self.content()
        subprocess.run(["rm", "-r", self.folder / "out"], check=True)
        exit_code, _, messages = self.stop_after_first_block(signal.SIGINT)
        self.assertEqual(exit_code, 130, messages)
        self.assertIn("the same command goes on from there", messages)
        self.assertFalse((self.folder / "out").exists())
        self.expect_resumed(self.finish())
        self.assertEqual(self.content(), uninterrupted)

    def test_a_killed_client_takes_its_server_and_worker_along_and_its_work_is_taken_up(self):
        exit_code, _, _ = self.stop_after_first_block(signal.SIGKILL)
        self.assertEqual(exit_code, -signal.SIGKILL)
        self.expect_resumed(self.finish())


if __name__ == "__main__":
    unittest.main()
