#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The direction of dependency, over the #include lines of all sources; sizes of files; names of folders.

Prints each violation and exits with 1 if there is one. docs/architecture.md says why.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOP = ("proto", "kernels", "engine", "sources", "server", "client", "tests")
TORCH = r"(ATen|c10|torch)/"
GRPC = r"(grpc|grpcpp)/|.*\.pb\.h$|google/(protobuf|rpc)/"
ABSL = r"absl/"
CURL = r"curl/"

# Folder prefix -> what its files may not include. The longest matching prefix of a file adds to the shorter ones.
FORBIDDEN = {
    "kernels/": [TORCH, GRPC, ABSL, r"(proto|engine|sources|server|client|tests)/"],
    "engine/": [GRPC, r"prometheus/", r"proto/json\.h", CURL, r"(sources|server|client|tests)/"],
    "engine/model/": [TORCH],
    "engine/page/": [TORCH],
    "engine/format/": [TORCH],
    "engine/plan/": [TORCH],
    "engine/probe_main.cc": [TORCH],
    "sources/": [TORCH, GRPC, r"(engine|kernels|server|client|tests)/"],
    "server/": [TORCH, CURL, r"(engine|kernels|sources|client|tests)/"],
    "client/": [TORCH, CURL, r"(server|kernels|sources|tests)/", r"engine/(?!(model|page)/)"],
    "proto/": [TORCH, CURL, r"(engine|kernels|sources|server|client|tests)/"],
    "proto/worker/": [GRPC],
    "proto/files/": [GRPC],
    "proto/source/": [GRPC],
    "proto/status/": [GRPC],
    "proto/text/": [GRPC],
}
# A folder of the engine may include itself and those before it.
ENGINE_ORDER = ["page", "model", "format", "plan", "ops", "checkpoint", "forward", "calibration", "quantize", "allocate", "evaluate", "refine", "convert", "tasks"]
MAX_LINES = {".h": 150, ".cuh": 150, ".cc": 300, ".cu": 400, ".py": 300}
BAD_FOLDERS = {"common", "core", "util", "utils", "helper", "helpers", "misc", "manager", "managers"}


def sources():
    for top in TOP:
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in MAX_LINES:
                yield path, path.relative_to(ROOT).as_posix()


def includes(text):
    return re.findall(r'^\s*#\s*include\s+["<]([^">]+)[">]', text, re.MULTILINE)


def check_includes(name, text):
    patterns = [p for prefix, forbidden in FORBIDDEN.items() if name.startswith(prefix) for p in forbidden]
    for included in includes(text):
        if any(re.match(pattern, included) for pattern in patterns):
            yield f"{name}: may not include {included}"
        folders = [re.match(r"engine/(\w+)/", path) for path in (name, included)]
        if all(folders):
            own, other = (ENGINE_ORDER.index(match[1]) for match in folders)
            if other > own:
                yield f"{name}: engine/{ENGINE_ORDER[own]} comes before engine/{ENGINE_ORDER[other]} ({included})"


def check_file(path, name):
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    if lines > MAX_LINES[path.suffix]:
        yield f"{name}: {lines} lines, at most {MAX_LINES[path.suffix]}"
    if "SPDX-License-Identifier: Apache-2.0" not in text[:200]:
        yield f"{name}: no SPDX line"
    if path.suffix in (".h", ".cuh"):
        guard = "PIVOT_" + re.sub(r"[^A-Za-z0-9]", "_", name).upper() + "_"
        if f"#ifndef {guard}\n#define {guard}\n" not in text:
            yield f"{name}: include guard is not {guard}"
    bad = BAD_FOLDERS & set(path.relative_to(ROOT).parts[:-1])
    if bad:
        yield f"{name}: a folder may not be called {bad.pop()}"
    yield from check_includes(name, text)


def main():
    problems = [problem for path, name in sources() for problem in check_file(path, name)]
    print("\n".join(problems))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
