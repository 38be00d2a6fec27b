#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the worker at every stage of a job, PIVOT_TORTURE_WORKER_KILLS times: no block that was told of is done twice, and the bytes are those
of a run that nobody killed."""

import collections
import json
import os
import pathlib
import random
import signal
import time
import unittest

from programs import FolderTest, last_object, pivot, pivotd

KILLS = int(os.environ.get("PIVOT_TORTURE_WORKER_KILLS", "8"))
SEED = int(os.environ.get("PIVOT_TORTURE_SEED", random.randrange(1 << 32)))
KILLS_A_JOB = 2  # a third crash would be the job's end
BLOCKS = 4
RUN = ["--group-size", "32", "--samples", "16", "--seq-len", "128", "--eval-tokens", "128"]


def children(pid):
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        return [int(child) for task in tasks for child in pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []


def worker_of(server):
    for pid in children(server.pid):
        try:
            if os.readlink(f"/proc/{pid}/exe").endswith("/pivot-worker"):
                return pid
        except OSError:
            pass
    return None


class WorkerKillsTest(FolderTest):
    def submit(self, address):
        texts = ["--calibration", self.text, "--eval", self.text]
        done = pivot("submit", self.model, *RUN, *texts, "--server", address, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return last_object(done.stdout)["name"].rsplit("/", 1)[-1]

    def job(self, address, name):
        done = pivot("get", name, "--server", address, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return last_object(done.stdout)

    def events(self, address, name):
        done = pivot("watch", name, "--server", address, "--json")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def staging(self, address, name):
        return self.folder / "data/staging" / self.job(address, name)["uid"]

    def await_worker(self, server, address, name, dead=None):
        """None where the job has ended: what a worker did just before its death was all that was left."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            until = time.monotonic() + 1
            while time.monotonic() < until:
                pid = worker_of(server)
                if pid is not None and pid != dead:
                    return pid
                time.sleep(0.001)
            if self.job(address, name)["state"] == "succeeded":
                return None
        self.fail("no worker comes")

    def await_stage(self, stage, staging, is_alive, chance):
        """Until the job is there; False when it went by too quickly to be seen."""
        shards = staging / "shards"
        journal = staging / "journal.jsonl"

        def blocks():
            return journal.read_bytes().count(b'"block":') if journal.exists() else 0

        before = blocks()
        while is_alive():
            if stage == "start":
                time.sleep(chance.random() * 0.3)
                return True
            if stage == "mid-block" and blocks() > before:
                time.sleep(chance.random() * 0.05)
                return True
            if stage == "after shard" and shards.exists() and len(list(shards.iterdir())) > blocks():
                return True
            if stage == "after pivot" and (staging / "pivot-0.files.json").exists():
                time.sleep(chance.random() * 0.02)
                return True
            time.sleep(0.0005)
        return False

    def kill_at(self, stage, server, address, name, dead, chance):
        pid = self.await_worker(server, address, name, dead)
        if pid is None or not self.await_stage(stage, self.staging(address, name), lambda: worker_of(server) == pid, chance):
            return None
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return None
        return pid

    def check_attempts(self, address, name):
        """Every block that an attempt told of is taken over by the next one."""
        done = collections.defaultdict(set)
        resumed = collections.defaultdict(set)
        for event in self.events(address, name):
            if "block_done" in event:
                block = event["block_done"]
                attempt = event["attempt"]
                done[attempt].add(block.get("block", 0))
                if block.get("resumed"):
                    resumed[attempt].add(block.get("block", 0))
        known = set()
        for attempt in sorted(done):
            self.assertLessEqual(known, resumed[attempt] | (known if not done[attempt] else set()), f"{name}, attempt {attempt}")
            known |= done[attempt]
        self.assertEqual(known, set(range(BLOCKS)), name)

    def content(self, address, name):
        job = self.job(address, name)
        self.assertEqual(job["state"], "succeeded", job)
        return job["checkpoints"][0]["content_sha256"], [attempt.get("cause") for attempt in job["attempts"]]

    def test_a_killed_worker_costs_no_finished_block_and_no_bit(self):
        chance = random.Random(SEED)
        stages = ["start", "mid-block", "after shard", "after pivot"]
        kills = collections.Counter()
        with pivotd(self.folder / "data", "--allow-path", self.folder) as (address, server):
            undisturbed = self.submit(address)
            self.events(address, undisturbed)
            expected, _ = self.content(address, undisturbed)
            jobs = 0
            while sum(kills.values()) < KILLS:
                name = self.submit(address)
                jobs += 1
                dead = None
                for _ in range(KILLS_A_JOB):
                    stage = min(stages, key=lambda stage: (kills[stage], chance.random()))
                    killed = self.kill_at(stage, server, address, name, dead, chance)
                    if killed is None:
                        break
                    dead = killed
                    kills[stage] += 1
                self.check_attempts(address, name)
                content, causes = self.content(address, name)
                self.assertEqual(content, expected, f"seed {SEED}: {name} after {causes}")
                pivot("rm", name, "--server", address)
        print(f"{sum(kills.values())} kills of the worker in {jobs} jobs: {dict(kills)}; seed {SEED}")


if __name__ == "__main__":
    unittest.main()
