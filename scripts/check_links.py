#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Relative links and named files in the documents exist; code blocks are left alone."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIPPED = {"build", ".venv", ".git", ".cache"}
# Paths in backquotes that begin with one of our folders are meant to be there.
NAMED = re.compile(r"`((?:proto|server|engine|kernels|client|tests|scripts|docs|deploy|cmake)/[\w./-]*\w)`")


def documents():
    for path in sorted(ROOT.rglob("*.md")):
        if not SKIPPED & set(path.relative_to(ROOT).parts):
            yield path


def broken(path):
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", re.sub(r"`[^`\n]*`", "", text)):
        if "://" not in target and not (path.parent / target).exists():
            yield target
    for target in NAMED.findall(text):
        if not (ROOT / target).exists() and not list(ROOT.glob(target + ".*")):
            yield target


def main():
    problems = [f"{path.relative_to(ROOT)}: {target} does not exist" for path in documents() for target in broken(path)]
    print("\n".join(problems), end="\n" if problems else "")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
