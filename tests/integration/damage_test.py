#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One flipped bit, anywhere: verify names the file, and a pull never delivers it."""

import json
import random
import struct
import unittest

from programs import SMALL_RUN, FolderTest, last_object, pivot, pivotd

MANIFEST = "pivot/manifest.json"
RANDOM_POSITIONS = 2


def files_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def pieces_of(folder):
    """Path -> where the pieces of the file begin."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return {entry["path"]: [piece["offset"] for piece in entry["pieces"]] for entry in manifest["files"]}


def positions_of(path, pieces, draw):
    """First and last byte, both sides of the header's end and of some borders of pieces, and random ones."""
    size = path.stat().st_size
    positions = {0, size // 2, size - 1}
    borders = pieces[1:] if len(pieces) < 4 else [pieces[1], pieces[len(pieces) // 2], pieces[-1]]
    if path.suffix == ".safetensors":
        with path.open("rb") as file:
            borders.append(8 + struct.unpack("<Q", file.read(8))[0])
        positions |= {7, 8, 9}
    for border in borders:
        positions |= {border - 1, border}
    positions |= {draw.randrange(size) for _ in range(RANDOM_POSITIONS)}
    return sorted(position for position in positions if 0 <= position < size)


class flipped:
    """The file with one bit of one byte changed, for a while."""

    def __init__(self, path, position, bit):
        self.path, self.position, self.mask = path, position, 1 << bit
        path.chmod(0o644)

    def flip(self):
        with self.path.open("r+b") as file:
            file.seek(self.position)
            byte = file.read(1)[0]
            file.seek(self.position)
            file.write(bytes([byte ^ self.mask]))

    def __enter__(self):
        self.flip()

    def __exit__(self, *_):
        self.flip()


class VerifyTest(FolderTest):
    def expect_every_flip_is_found(self, folder):
        draw = random.Random(1)
        pieces = pieces_of(folder)
        for name in files_of(folder):
            path = folder / name
            for position in positions_of(path, list(pieces.get(name, [0])), draw):
                with flipped(path, position, draw.randrange(8)):
                    done = pivot("verify", folder)
                    self.assertEqual(done.returncode, 5, f"{name} at byte {position}: {done.stderr}")
                    self.assertRegex(done.stdout, f"(?m)^{name}: ", f"at byte {position}")
        self.assertEqual(pivot("verify", folder).returncode, 0, "every bit was put back")

    def test_finds_a_flipped_bit_in_every_file(self):
        self.assertEqual(self.compress("-o", self.folder / "out", "--format", "both").returncode, 0)
        self.expect_every_flip_is_found(self.folder / "out")


class PullTest(FolderTest):
    def test_never_delivers_a_flipped_bit(self):
        draw = random.Random(2)
        data, out = self.folder / "data", self.folder / "out"
        with pivotd(data, "--allow-path", self.folder, "--listen", "127.0.0.1:0") as (address, _):
            done = pivot("submit", self.model, "--server", address, "--wait", "--json", *SMALL_RUN[:-2], "--method", "rtn", "--eval", "none")
            self.assertEqual(done.returncode, 0, done.stderr)
            name = last_object(pivot("ls", "--server", address, "--json").stdout)["name"]
            (stored,) = (data / "objects").iterdir()
            pieces = pieces_of(stored)
            for path in files_of(stored):
                positions = positions_of(stored / path, list(pieces.get(path, [0])), draw)
                with flipped(stored / path, draw.choice(positions), draw.randrange(8)):
                    done = pivot("pull", name, out, "--server", address)
                    self.assertEqual(done.returncode, 5, f"{path}: {done.stderr}")
                    self.assertIn(path, done.stderr)
                    self.assertFalse((out / MANIFEST).exists())
                    self.assertFalse((out / path).exists(), "nothing wrong has its final name")
            self.assertEqual(pivot("pull", name, out, "--server", address).returncode, 0)
            self.assertEqual(pivot("verify", out).returncode, 0)
            shard = out / "model-00002-of-00005.safetensors"
            flipped(shard, shard.stat().st_size - 1, 0).flip()
            done = pivot("pull", name, out, "--server", address)
            self.assertEqual(done.returncode, 0, "what is wrong here is fetched anew")
            self.assertEqual(pivot("verify", out).returncode, 0)


if __name__ == "__main__":
    unittest.main()
