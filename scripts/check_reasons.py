#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every reason that a status can carry (WithReason in all but the client) is listed in docs/api.md."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CALL = re.compile(r"\b(?:WithReason|WorkerFault|OutOfMemory)\(")
TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|[()]', re.DOTALL)
REASON = re.compile(r"[A-Z][A-Z_]{4,}")


def reasons_in(text):
    """The texts in UPPER_SNAKE among the arguments of calls that make a status with a reason."""
    for call in CALL.finditer(text):
        depth = 1
        for token in TOKEN.finditer(text, call.end()):
            if token[1] is not None and REASON.fullmatch(token[1]):
                yield token[1]
            depth += {"(": 1, ")": -1}.get(token[0], 0)
            if depth == 0:
                break


def main():
    listed = set(re.findall(r"\b[A-Z][A-Z_]{4,}\b", (ROOT / "docs/api.md").read_text(encoding="utf-8")))
    used = {}
    for folder in ("server", "engine", "sources", "proto"):
        for path in sorted((ROOT / folder).rglob("*.cc")):
            for reason in reasons_in(path.read_text(encoding="utf-8")):
                used.setdefault(reason, path.relative_to(ROOT))
    missing = [f"{path}: {reason} is not in docs/api.md" for reason, path in used.items() if reason not in listed]
    print("\n".join(missing), end="\n" if missing else "")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
