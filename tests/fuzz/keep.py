#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Takes into corpus/TARGET what build/fuzz/grown/TARGET reaches beyond the seeds, the smallest inputs first, up to 64 KiB a target:
keep.py [TARGET...]. Inputs called found-* (those of faults) always stay."""

import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build" / "fuzz"
LIMIT_BYTES = 60 * 1024
LIMIT_FILES = 120


def keep(target):
    corpus = HERE / "corpus" / target
    kept = [path for path in corpus.iterdir() if path.name.startswith(("seed-", "found-"))]
    for path in set(corpus.iterdir()) - set(kept):
        path.unlink()
    with tempfile.TemporaryDirectory() as folder:
        merged = pathlib.Path(folder) / "merged"
        merged.mkdir()
        for path in kept:
            (merged / path.name).write_bytes(path.read_bytes())
        command = [BUILD / "fuzzers" / f"{target}_fuzzer", "-merge=1", merged, BUILD / "grown" / target]
        subprocess.run(command, check=True, capture_output=True)
        room = LIMIT_BYTES - sum(path.stat().st_size for path in kept)
        new = sorted((path for path in merged.iterdir() if not path.name.startswith(("seed-", "found-"))), key=lambda path: path.stat().st_size)
        for path in new[:LIMIT_FILES]:
            room -= path.stat().st_size
            if room < 0:
                break
            (corpus / path.name).write_bytes(path.read_bytes())
    files = list(corpus.iterdir())
    print(f"{target}: {len(files)} files, {sum(path.stat().st_size for path in files)} bytes")


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(path.name for path in (HERE / "corpus").iterdir()):
        keep(name)
