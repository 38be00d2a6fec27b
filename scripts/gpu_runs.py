#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/gpu-runs.json: what ran on a GPU, and whether the code that it ran has changed since.

    gpu_runs.py check                      prints "up to date" or STALE for the newest run of each kind
    gpu_runs.py hash                       the hash of the code a run is about: kernels/ and engine/ops/
    gpu_runs.py add KIND DEVICE FIGURES    appends a run; FIGURES is a JSON object
"""

import hashlib
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECORD = ROOT / "docs" / "gpu-runs.json"


def code_hash():
    digest = hashlib.sha256()
    for folder in ("kernels", "engine/ops"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file():
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def load():
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {"schema": 1, "runs": []}


def check():
    newest = {run["kind"]: run for run in load()["runs"]}
    if not newest:
        print("STALE: nothing was ever run on a GPU")
    for kind, run in newest.items():
        state = "up to date" if run["code_sha256"] == code_hash() else "STALE: kernels/ or engine/ops/ changed since"
        print(f"GPU run \"{kind}\" of {run['date']} on {run['device']}: {state}")


def add(kind, device, figures):
    record = load()
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run(git + ["rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    date = subprocess.run(["date", "-u", "+%Y-%m-%d"], capture_output=True, text=True, check=True).stdout.strip()
    record["runs"].append(
        {"kind": kind, "date": date, "commit": commit, "code_sha256": code_hash(), "device": device, "figures": json.loads(figures)}
    )
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def main():
    if sys.argv[1:] == ["check"]:
        check()
    elif sys.argv[1:] == ["hash"]:
        print(code_hash())
    elif len(sys.argv) == 5 and sys.argv[1] == "add":
        add(*sys.argv[2:])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
