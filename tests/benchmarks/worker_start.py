#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long a worker takes from its start to its first decoder block.

    worker_start.py WORKER MODEL [--gpu] [--runs 3] [--calibration FILE] [--samples N --length N]

Plays the server's part (proto/worker.md) for one compress job without evaluation, as often as asked, and cancels it when its first block is
done. A line a run: seconds from exec to Hello, to the beginning of the layer-wise stage, and to the end of the first block. The model's pages are
those that the run before has read; the first run also reads the programs and libraries from disk.
"""

import argparse
import json
import os
import socket
import struct
import subprocess
import tempfile
import time

HEADER = struct.Struct("<HHIQ")
START, CANCEL = 1, 2
HELLO, STAGE_STARTED, BLOCK_DONE, DONE, ERROR = 101, 102, 104, 110, 111


def spec_of(options):
    calibration = {"num_samples": options.samples, "sequence_length": options.length}
    if options.calibration:
        calibration["text_path"] = os.path.abspath(options.calibration)
    source = {"path": os.path.abspath(options.model)}
    return {"compress": {"source": source, "bits": 4, "calibration": calibration, "evaluation": {"skip": True}}}


def frames_of(connection):
    """(seconds since any fixed point, type, payload) until the worker ends."""
    while True:
        data = connection.recv(65536)
        if not data:
            return
        _, kind, _, _ = HEADER.unpack(data[: HEADER.size])
        yield time.monotonic(), kind, json.loads(data[HEADER.size :])


def run_once(options, staging):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = dict(os.environ, CUDA_VISIBLE_DEVICES="0" if options.gpu else "")

    def take_descriptor():
        os.dup2(theirs.fileno(), 3)
        os.set_inheritable(3, True)

    begun = time.monotonic()
    worker = subprocess.Popen([options.worker], env=environment, close_fds=False, preexec_fn=take_descriptor)  # noqa: PLW1509
    theirs.close()
    times = {}
    for now, kind, payload in frames_of(ours):
        if kind == HELLO:
            times["hello"] = now - begun
            start = json.dumps({"spec": spec_of(options), "job": "jobs/start", "uid": "start", "attempt": 1, "resume": False, "threads": 0})
            folder = os.open(staging, os.O_RDONLY)
            socket.send_fds(ours, [HEADER.pack(1, START, 0, 1) + start.encode()], [folder])
            os.close(folder)
        elif kind == STAGE_STARTED and payload.get("stage") == "layerwise":
            times["layerwise"] = now - begun
        elif kind == BLOCK_DONE and "block" not in times:
            times["block"] = now - begun
            ours.send(HEADER.pack(1, CANCEL, 0, 2) + b"{}")
        elif kind == ERROR and "block" not in times:
            raise SystemExit(f"the worker says: {payload}")
    worker.wait()
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("worker")
    parser.add_argument("model")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--calibration", help="a text; the built-in one without it")
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--length", type=int, default=512)
    options = parser.parse_args()
    if not os.access(options.worker, os.X_OK):
        parser.error(f"{options.worker} is no program")
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as staging:
            times = run_once(options, staging)
        print(f"Hello {times['hello']:.3f} s, layer-wise stage {times['layerwise']:.3f} s, first block done {times['block']:.3f} s", flush=True)


if __name__ == "__main__":
    main()
