#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The built-in text: English prose out of the documentation packages of Debian.

    make_default_text.py FOLDER_OF_DEBS OUT

FOLDER_OF_DEBS holds debian-handbook_*.deb, debian-faq_*.deb and git-doc_*.deb. Paragraphs of running prose are kept, one a line with an
empty line between; listings, tables, menus and short lines are dropped. The last tenth of each package becomes
OUT/evaluation.txt, the rest OUT/calibration.txt. Same packages, same bytes.
"""

import html.parser
import pathlib
import re
import subprocess
import sys
import tempfile

SOURCES = {
    "debian-handbook": "usr/share/doc/debian-handbook/html/en-US/*.html",
    "debian-faq": "usr/share/doc/debian/FAQ/*.en.html",
    "git-doc": "usr/share/doc/git-doc/*.html",
}
PARAGRAPH_TAGS = {"p", "dd", "li", "div"}
SKIPPED_TAGS = {"script", "style", "pre", "table", "head", "title", "h1", "h2", "h3", "h4", "nav"}
SHORTEST = 120  # characters: below, it is a caption, a menu entry or a term


class Paragraphs(html.parser.HTMLParser):
    """Collects the text between block tags."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.found, self.current, self.skipped = [], [], 0

    def handle_starttag(self, tag, attrs):
        if tag in SKIPPED_TAGS:
            self.skipped += 1
        elif tag in PARAGRAPH_TAGS:
            self.finish()

    def handle_endtag(self, tag):
        if tag in SKIPPED_TAGS:
            self.skipped = max(0, self.skipped - 1)
        elif tag in PARAGRAPH_TAGS:
            self.finish()

    def handle_data(self, data):
        if not self.skipped:
            self.current.append(data)

    def finish(self):
        text = re.sub(r"\s+", " ", "".join(self.current)).strip()
        self.current = []
        if is_prose(text):
            self.found.append(text)


def is_prose(text):
    """A sentence or more: long enough, ends like one, and mostly letters."""
    if len(text) < SHORTEST or text[-1] not in ".!?:)\"”":
        return False
    letters = sum(c.isalpha() or c == " " for c in text)
    return letters / len(text) > 0.9


def paragraphs_of(page):
    parser = Paragraphs()
    parser.feed(page.read_text(encoding="utf-8", errors="replace"))
    parser.finish()
    return parser.found


def prose_of(package, debs):
    found = sorted(debs.glob(f"{package}_*.deb"))
    if not found:
        sys.exit(f"no {package}_*.deb in {debs}")
    with tempfile.TemporaryDirectory() as unpacked:
        subprocess.run(["dpkg-deb", "-x", found[-1], unpacked], check=True)
        pages = sorted(pathlib.Path(unpacked).glob(SOURCES[package]))
        paragraphs = [paragraph for page in pages for paragraph in paragraphs_of(page)]
    return list(dict.fromkeys(paragraphs))  # manuals repeat whole paragraphs


def split_at_last_tenth(paragraphs):
    total, seen = sum(map(len, paragraphs)), 0
    for index, paragraph in enumerate(paragraphs):
        seen += len(paragraph)
        if seen > total * 0.9:
            return paragraphs[:index], paragraphs[index:]
    return paragraphs, []


def main():
    debs, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    calibration, evaluation = [], []
    for package in SOURCES:
        first, last = split_at_last_tenth(prose_of(package, debs))
        calibration += first
        evaluation += last
    if sum(map(len, evaluation)) < 200_000:
        sys.exit("too little prose was found: the packages have changed")
    out.mkdir(parents=True, exist_ok=True)
    for name, part in (("calibration", calibration), ("evaluation", evaluation)):
        (out / f"{name}.txt").write_text("\n\n".join(part) + "\n", encoding="utf-8")
        print(f"{out / name}.txt: {len(part)} paragraphs, {sum(map(len, part))} characters")


if __name__ == "__main__":
    main()
