#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which shared libraries each program needs: the server no torch and no CUDA, the worker no gRPC, all
but one no libcurl; nobody Python."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from programs import BIN, BUILD, FolderTest

TORCH = re.compile(r"libtorch|libc10")
CUDA = re.compile(r"libcu(?!rl)|libnv|libnccl|/nvidia/")
RPC = re.compile(r"libgrpc|libprotobuf|libabsl|libupb|libaddress_sorting")
# The C and C++ runtimes.
EVERYWHERE = re.compile(r"(linux-vdso|ld-linux-x86-64|libc|libm|libdl|librt|libpthread|libresolv|libutil|libgcc_s|libstdc\+\+)[-.]")
TORCH_LIB = pathlib.Path((BUILD / "share/pivot/torch.path").read_text(encoding="utf-8").strip())


def needed(program):
    """Names of all libraries that the loader would load."""
    search = ":".join(map(str, [TORCH_LIB, *sorted(TORCH_LIB.parent.parent.glob("nvidia/*/lib"))]))
    done = subprocess.run(["ldd", BIN / program], capture_output=True, text=True, check=True, env=os.environ | {"LD_LIBRARY_PATH": search})
    return re.findall(r"^\s*(\S+) (?:=>|\()", done.stdout, re.MULTILINE)


def matching(pattern, names):
    return sorted(name for name in names if pattern.search(name))


class LinkageTest(unittest.TestCase):
    def test_only_the_worker_needs_torch(self):
        for program in "pivotd", "pivot", "pivot-probe", "pivot-fetch":
            names = needed(program)
            self.assertGreater(len(names), 3)
            self.assertEqual(matching(TORCH, names), [], program)
            self.assertEqual(matching(CUDA, names), [], program)

    def test_the_worker_needs_no_rpc_and_of_cuda_only_what_torch_cannot_load_without(self):
        names = needed("pivot-worker")
        self.assertEqual(matching(TORCH, names), ["libc10.so", "libtorch_cpu.so"])
        self.assertEqual(matching(RPC, names), [])
        self.assertEqual(matching(CUDA, names), ["libcudart.so.13", "libcupti.so.13"])

    def test_only_pivot_fetch_speaks_http(self):
        for program in "pivotd", "pivot", "pivot-probe", "pivot-worker":
            self.assertEqual(matching(re.compile("libcurl"), needed(program)), [], program)
        names = needed("pivot-fetch")
        self.assertEqual(len(matching(re.compile("libcurl"), names)), 1)
        self.assertEqual(matching(re.compile("libgrpc|libprotobuf"), names), [])

    def test_no_program_needs_python(self):
        for program in "pivotd", "pivot", "pivot-probe", "pivot-fetch", "pivot-worker":
            self.assertEqual(matching(re.compile("python"), needed(program)), [], program)


class InstallationTest(unittest.TestCase):
    def test_brings_every_library_that_a_system_may_lack(self):
        with tempfile.TemporaryDirectory(prefix="pivot-installation-") as folder:
            subprocess.run(["cmake", "--install", BUILD, "--prefix", folder], check=True, stdout=subprocess.DEVNULL)
            for program in "pivotd", "pivot", "pivot-probe", "pivot-fetch", "pivot-worker":
                done = subprocess.run(["ldd", f"{folder}/bin/{program}"], capture_output=True, text=True, check=True)
                found = dict(re.findall(r"^\s*(\S+) => (\S+)", done.stdout, re.MULTILINE))
                outside = {name for name, path in found.items() if not path.startswith(folder) and not EVERYWHERE.match(name)}
                self.assertEqual({name for name in outside if not TORCH.search(name)}, set(), program)
                self.assertEqual(done.stdout.count("not found"), len(matching(TORCH, found)), program)


class LeanTorchTest(FolderTest):
    """torch as it is on a machine without a GPU: cuDNN, NCCL, cuBLAS and the rest of CUDA were not installed."""

    def setUp(self):
        super().setUp()
        # Hard links, so that the libraries' own search paths start here; beside the original, on its file system.
        temporary = tempfile.TemporaryDirectory(dir=TORCH_LIB.parents[2], prefix="pivot-lean-torch-")
        self.addCleanup(temporary.cleanup)
        site = pathlib.Path(temporary.name)
        lib = site / "torch" / "lib"
        lib.mkdir(parents=True)
        for name in "libtorch_cpu.so", "libc10.so", "libgomp.so.1":
            for path in TORCH_LIB.glob(name + "*"):
                os.link(path, lib / path.name)
        runtime = site / "nvidia" / "cu13" / "lib"
        runtime.mkdir(parents=True)
        for name in "libcudart.so.13", "libcupti.so.13":
            os.link(TORCH_LIB.parent.parent / "nvidia/cu13/lib" / name, runtime / name)
        self.environment = {"PIVOT_TORCH_LIB": str(lib)}

    def test_compresses_on_the_cpu(self):
        done = self.compress("-o", self.folder / "out", "--device", "cpu", env=self.environment)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_says_what_to_do_when_there_is_no_torch(self):
        done = self.compress("-o", self.folder / "out", env={"PIVOT_TORCH_LIB": str(self.folder)})
        self.assertEqual(done.returncode, 1)
        self.assertIn("PIVOT_TORCH_LIB", done.stderr)
        self.assertFalse((self.folder / "out").exists())


if __name__ == "__main__":
    unittest.main()
