#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pivot-fetch and huggingface_hub on one cache, several at once, and after being killed."""

import json
import os
import signal
import time
import unittest

from hub_fixture import MIB, HubTest, random_bytes
from hub_server import Repository

FETCHED = {"LICENSE", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "model.safetensors"}


class CacheTest(HubTest):
    """The layout, in both directions."""

    def test_what_is_fetched_lies_where_huggingface_hub_looks(self):
        answer = self.fetch()
        self.assert_fetched(answer)
        self.assertEqual({path.name for path in self.snapshot.iterdir()}, FETCHED)
        for path in self.snapshot.iterdir():
            self.assertEqual(os.readlink(path), f"../../blobs/{self.repository.etag(path.name)}")
        self.assertEqual((self.stored / "refs" / "main").read_text(), self.repository.commit)
        self.assertEqual({p.name for p in (self.stored / "blobs").iterdir()}, {self.repository.etag(name) for name in FETCHED})
        self.assertIn("pytorch_model.bin", answer.notes)
        found = self.python(
            "from huggingface_hub import snapshot_download, try_to_load_from_cache\n"
            "print(snapshot_download('tiny/model'))\n"
            "print(try_to_load_from_cache('tiny/model', 'model.safetensors'))\n",
            HF_HUB_OFFLINE="1",
        ).splitlines()
        self.assertEqual(found, [str(self.snapshot), str(self.snapshot / "model.safetensors")])

    def test_huggingface_hub_fetches_only_what_is_not_there(self):
        self.fetch()
        self.hub.forget()
        self.python("from huggingface_hub import snapshot_download\nsnapshot_download('tiny/model')\n")
        self.assertEqual(set(self.hub.sent_bytes) & FETCHED, set())
        self.assertTrue((self.snapshot / "README.md").exists())

    def test_what_huggingface_hub_fetched_is_found(self):
        path = self.python("from huggingface_hub import snapshot_download\nprint(snapshot_download('tiny/model'))\n").splitlines()[-1]
        self.hub.forget()
        self.assert_fetched(self.fetch(HF_HUB_OFFLINE="1"), path)
        self.assertEqual(self.hub.requests, [])
        answer = self.fetch()
        self.assert_fetched(answer, path)
        self.assertEqual((self.hub.total_sent(), answer.fetch["fetched_bytes"]), (0, 0))

    def test_a_part_that_huggingface_hub_fetched_is_completed(self):
        self.python("from huggingface_hub import hf_hub_download\nhf_hub_download('tiny/model', 'config.json')\n")
        self.assert_refused(self.fetch(HF_HUB_OFFLINE="1"), "SOURCE_NOT_CACHED", "model.safetensors", "HF_HUB_OFFLINE")
        self.assert_fetched(self.fetch())
        self.assertEqual({path.name for path in self.snapshot.iterdir()}, FETCHED)

    def test_the_cache_may_be_named_in_every_way(self):
        for name, value, cache in [
            ("HF_HUB_CACHE", self.folder / "one", self.folder / "one"),
            ("HUGGINGFACE_HUB_CACHE", self.folder / "two", self.folder / "two"),
        ]:
            with self.subTest(name=name):
                answer = self.fetch(**{name: str(value)})
                self.assertEqual(answer.fetch["path"], str(cache / "models--tiny--model" / "snapshots" / self.repository.commit))

    def test_revisions(self):
        self.repository.refs |= {"v1.0": self.repository.commit, "refs/pr/3": self.repository.commit, "a/b": self.repository.commit}
        for revision in ["v1.0", "refs/pr/3", "a%2Fb", self.repository.commit]:
            with self.subTest(revision=revision):
                self.assert_fetched(self.fetch(f"hf://tiny/model@{revision}"))
        self.assertEqual((self.stored / "refs" / "refs" / "pr" / "3").read_text(), self.repository.commit)
        self.assertFalse((self.stored / "refs" / self.repository.commit).exists())
        self.assertEqual(self.hub.sent_bytes["model.safetensors"], len(self.weights))
        self.assert_refused(self.fetch("hf://tiny/model@v9"), "SOURCE_NOT_FOUND", "v9")

    def test_a_renamed_model_is_found(self):
        self.hub.repositories["old"] = Repository({})
        self.hub.repositories["old"].renamed = "tiny/model"
        answer = self.fetch("hf://old", HF_TOKEN="hf_secret")
        self.assertEqual(answer.fetch["path"], str(self.cache / "models--old" / "snapshots" / self.repository.commit), answer.text)
        self.assertEqual({token for server, _, _, _, token in self.hub.requests if server == "hub"}, {"hf_secret"})

    def test_shards_are_those_of_the_index(self):
        index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
        files = self.repository.files
        del files["model.safetensors"]
        files |= {
            "model.safetensors.index.json": json.dumps(index).encode(),
            "model-1.safetensors": random_bytes(50000, 5),
            "model-2.safetensors": random_bytes(60000, 6),
            "consolidated.safetensors": random_bytes(70000, 7),
        }
        answer = self.fetch()
        self.assertEqual(answer.exit_code, 0, answer.text)
        there = {path.name for path in self.snapshot.iterdir()}
        self.assertTrue({"model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json"} < there)
        self.assertNotIn("consolidated.safetensors", there)
        del files["model-2.safetensors"]
        self.assert_refused(self.fetch(HF_HUB_CACHE=str(self.folder / "other")), "SOURCE_INCOMPLETE", "model-2.safetensors")

    def test_a_gguf_file_is_fetched_alone(self):
        self.repository.files = {"a-Q4_0.gguf": random_bytes(70000, 1), "a-Q8_0.gguf": random_bytes(90000, 2), "README.md": b"x"}
        self.assert_refused(self.fetch(), "AMBIGUOUS_SOURCE", "a-Q4_0.gguf", "a-Q8_0.gguf")
        answer = self.fetch("hf://tiny/model/a-Q4_0.gguf")
        self.assertEqual(answer.fetch["path"], str(self.snapshot / "a-Q4_0.gguf"))
        self.assertEqual(set(self.hub.sent_bytes), {"a-Q4_0.gguf"})
        self.assert_refused(self.fetch("hf://tiny/model/b.gguf"), "SOURCE_NOT_FOUND", "a-Q4_0.gguf")
        offline = self.fetch("hf://tiny/model/a-Q4_0.gguf", HF_HUB_OFFLINE="1")
        self.assertEqual(offline.fetch, answer.fetch | {"fetched_bytes": 0})

    def test_pickles_alone_are_refused(self):
        del self.repository.files["model.safetensors"]
        self.assert_refused(self.fetch(), "UNSAFE_SOURCE", "pytorch_model.bin", "pickle")
        self.assertEqual(self.hub.total_sent(), 0)

    def test_hashes_that_the_list_lacks_are_asked_for(self):
        self.hub.hides_hashes = True
        self.assert_fetched(self.fetch())
        heads = [path for _, method, path, _, _ in self.hub.requests if method == "HEAD"]
        self.assertEqual(len(heads), len(FETCHED))


class TogetherTest(HubTest):
    """Several processes, and processes that were killed."""

    def setUp(self):
        super().setUp()
        self.weights = self.repository.files["model.safetensors"] = random_bytes(20 * MIB)
        self.incomplete = self.stored / "blobs" / (self.repository.etag("model.safetensors") + ".incomplete")

    def wait_until(self, holds, seconds=20):
        end = time.monotonic() + seconds
        while not holds():
            self.assertLess(time.monotonic(), end, "it did not come to pass")
            time.sleep(0.01)

    def test_two_processes_fetch_once(self):
        self.hub.delay = 0.003
        answers = [self.end_fetch(process) for process in [self.start_fetch(), self.start_fetch()]]
        for answer in answers:
            self.assert_fetched(answer)
        self.assertEqual(self.hub.sent_bytes["model.safetensors"], len(self.weights))
        self.assertEqual(sum(a.fetch["fetched_bytes"] for a in answers), sum(len(self.repository.files[n]) for n in FETCHED))
        self.assertIn("another process", " ".join(a.notes for a in answers))

    def test_huggingface_hub_and_we_fetch_once(self):
        self.hub.delay = 0.003
        ours = self.start_fetch()
        self.python("from huggingface_hub import snapshot_download\nsnapshot_download('tiny/model', allow_patterns='model*')\n")
        self.assert_fetched(self.end_fetch(ours))
        self.assertEqual(self.hub.sent_bytes["model.safetensors"], len(self.weights))

    def test_a_killed_fetch_goes_on_where_it_was(self):
        self.hub.delay = 0.005
        process = self.start_fetch()
        self.wait_until(lambda: self.incomplete.exists() and self.incomplete.stat().st_size > 3 * MIB)
        self.assertFalse(self.snapshot.exists(), "a snapshot appears when it is whole")
        process.kill()
        self.end_fetch(process)
        self.assertFalse(self.snapshot.exists())
        self.hub.delay = 0
        time.sleep(0.3)  # the server notices that nobody reads
        self.hub.forget()
        there = self.incomplete.stat().st_size
        answer = self.fetch()
        self.assert_fetched(answer)
        self.assertEqual(self.hub.total_sent(), len(self.weights) - there)
        self.assertEqual(answer.fetch["fetched_bytes"], len(self.weights) - there)
        self.assertGreaterEqual(answer.progress[-1]["done_bytes"], len(self.weights))
        self.assertFalse(self.incomplete.exists())

    def test_several_connections_fetch_one_file(self):
        self.hub.delay = 0.002
        self.assert_fetched(self.fetch())
        ranges = {wanted for server, _, _, wanted, _ in self.hub.requests if server == "cdn" and wanted}
        self.assertEqual(len(ranges), 3)

    def test_nobody_reads(self):
        self.hub.delay = 0.05
        process = self.start_fetch()
        process.stdout.close()
        self.assertEqual(process.wait(timeout=20), -signal.SIGPIPE)
        process.stderr.close()


if __name__ == "__main__":
    unittest.main()
