#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pivot-fetch against a hub that is slow, cuts connections, lies and refuses."""

import hashlib
import os
import ssl
import subprocess
import time
import unittest

from hub_fixture import MIB, HubTest
from hub_server import git_sha1


class FaultTest(HubTest):
    """What a network and a hub can do."""

    def test_cut_connections_lose_nothing(self):
        self.hub.cuts, self.hub.cut_after = 4, 600000
        self.assert_fetched(self.fetch())
        self.assertEqual(self.hub.cuts, 0)
        self.assertEqual(self.hub.sent_bytes["model.safetensors"], len(self.weights))

    def test_a_silent_server_is_asked_again(self):
        self.hub.stall.set()
        process = self.start_fetch(HF_HUB_DOWNLOAD_TIMEOUT="1")
        time.sleep(2.5)
        self.hub.stall.clear()
        self.assert_fetched(self.end_fetch(process))

    def test_too_many_requests(self):
        self.hub.statuses = [(429, {"Retry_After": 1}), (503, {})]
        begin = time.monotonic()
        answer = self.fetch()
        self.assert_fetched(answer)
        self.assertGreaterEqual(time.monotonic() - begin, 1)
        self.assertIn("429", answer.notes)
        self.hub.statuses = [(429, {"Retry_After": 4000})] * 20
        begin = time.monotonic()
        self.assert_refused(self.fetch(HF_HUB_CACHE=str(self.folder / "other")), "HUB_UNREACHABLE", "429", "1h6m40s")
        self.assertLess(time.monotonic() - begin, 10)

    def test_a_wrong_length(self):
        self.hub.extra_length = 7
        self.assert_refused(self.fetch(), "DOWNLOAD_MISMATCH", "bytes, the hub's list says")
        self.assertFalse(self.snapshot.exists())

    def test_wrong_bytes(self):
        for name, kind in [("model.safetensors", "SHA-256"), ("config.json", "git's SHA-1")]:
            with self.subTest(name=name):
                self.hub.flip = name
                data = self.repository.files[name]
                wrong = bytes([data[0] ^ 1]) + data[1:]
                found = hashlib.sha256(wrong).hexdigest() if kind == "SHA-256" else git_sha1(wrong)
                cache = self.folder / name
                answer = self.fetch(HF_HUB_CACHE=str(cache))
                self.assert_refused(answer, "DOWNLOAD_MISMATCH", name, kind, found, self.repository.etag(name))
                stored = cache / "models--tiny--model"
                self.assertEqual(list((stored / "snapshots").iterdir()), [])
                self.assertEqual(list((stored / "blobs").glob(self.repository.etag(name) + "*")), [])

    def test_wrong_bytes_of_an_earlier_try(self):
        (self.stored / "blobs").mkdir(parents=True)
        (self.stored / "blobs" / (self.repository.etag("model.safetensors") + ".incomplete")).write_bytes(bytes(MIB))
        answer = self.fetch()
        self.assert_fetched(answer)
        self.assertIn("anew", answer.notes)

    def test_a_server_without_ranges(self):
        self.hub.knows_ranges = False
        (self.stored / "blobs").mkdir(parents=True)
        (self.stored / "blobs" / (self.repository.etag("model.safetensors") + ".incomplete")).write_bytes(self.weights[:MIB])
        self.hub.cuts, self.hub.cut_after = 2, 2 * MIB
        self.assert_fetched(self.fetch())

    def test_a_damaged_blob_is_fetched_again(self):
        self.fetch()
        blob = self.stored / "blobs" / self.repository.etag("model.safetensors")
        os.truncate(blob, 1000)
        self.assert_fetched(self.fetch())

    def test_no_hub(self):
        self.assert_fetched(self.fetch())
        self.hub.close()
        answer = self.fetch()
        self.assert_fetched(answer)
        self.assertIn("as the cache has it", answer.notes)
        self.assert_refused(self.fetch("hf://tiny/other"), "HUB_UNREACHABLE", "127.0.0.1")

    def test_the_disk_is_too_small(self):
        small = self.folder / "small"
        small.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"cannot mount a small disk: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", small], check=True)
        self.assert_refused(self.fetch(HF_HUB_CACHE=str(small)), "DISK_FULL", "bytes more", "HF_HUB_CACHE")
        self.assertNotIn("model.safetensors", self.hub.sent_bytes)


class AccessTest(HubTest):
    """Tokens, refusals, certificates, proxies."""

    def test_the_token_goes_to_the_hub_only(self):
        self.repository.token = "hf_secret"
        answer = self.fetch(HF_TOKEN="hf_secret")
        self.assert_fetched(answer)
        self.assertEqual({token for server, _, _, _, token in self.hub.requests if server == "hub"}, {"hf_secret"})
        self.assertEqual({token for server, _, _, _, token in self.hub.requests if server == "cdn"}, {""})
        self.assertNotIn("hf_secret", answer.text)

    def test_the_token_of_a_login(self):
        self.repository.token = "hf_secret"
        self.home.mkdir()
        (self.home / "token").write_text("hf_secret\n")
        self.assert_fetched(self.fetch())
        self.hub.forget()
        self.assert_refused(self.fetch(HF_HUB_DISABLE_IMPLICIT_TOKEN="1"), "SOURCE_NOT_FOUND")
        self.assertEqual({request[4] for request in self.hub.requests}, {""})

    def test_refusals_say_what_to_do(self):
        self.assert_refused(self.fetch("hf://tiny/nothing"), "SOURCE_NOT_FOUND", "hf://tiny/nothing", "HF_TOKEN")
        self.repository.token = "hf_secret"
        wrong = self.fetch(HF_TOKEN="hf_wrong")
        self.assert_refused(wrong, "HUB_ACCESS_DENIED", "token from HF_TOKEN", "/settings/tokens")
        self.assertNotIn("hf_wrong", wrong.text)
        self.repository.token, self.repository.gated = None, True
        self.assert_refused(self.fetch(), "HUB_ACCESS_DENIED", "gated", f"{self.hub.endpoint}/tiny/model", "HF_TOKEN")

    def test_names_are_checked(self):
        for source, phrase in [
            ("hf://tiny/model@", "'@'"),
            ("hf://tiny/../model", ".."),
            ("hf://tiny/model/config.json", "GGUF"),
            ("hf://datasets/tiny/model", "datasets"),
            ("hf://a/b@..%2Fd", "revision"),
        ]:
            with self.subTest(source=source):
                self.assert_refused(self.fetch(source), "INVALID_HUB_NAME", phrase)
        self.assertEqual(self.hub.requests, [])

    def test_variables_are_checked(self):
        self.assert_refused(self.fetch(HF_ENDPOINT="ftp://x"), "INVALID_HUB_SETTING", "HF_ENDPOINT")
        self.assert_refused(self.fetch(HF_HUB_DOWNLOAD_TIMEOUT="soon"), "INVALID_HUB_SETTING", "HF_HUB_DOWNLOAD_TIMEOUT")
        self.assert_refused(self.fetch(HF_TOKEN="a\nb"), "INVALID_HUB_SETTING", "HF_TOKEN")

    def test_a_proxy_is_used(self):
        answer = self.fetch(HF_ENDPOINT="http://hub.invalid", http_proxy=self.hub.endpoint, NO_PROXY="127.0.0.1")
        self.assert_fetched(answer)
        self.assertTrue(any(path.startswith("http://hub.invalid/") for _, _, path, _, _ in self.hub.requests))

    def test_certificates_are_checked(self):
        key, certificate = self.folder / "key.pem", self.folder / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout", key, "-out", certificate]
            + ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
            check=True,
            capture_output=True,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.hub.hub.socket = context.wrap_socket(self.hub.hub.socket, server_side=True)
        self.repository.large = 1 << 40  # nothing is redirected to a server without certificate
        endpoint = f"https://localhost:{self.hub.hub.server_port}"
        self.assert_refused(self.fetch(HF_ENDPOINT=endpoint), "HUB_UNREACHABLE", "certificate", "SSL_CERT_FILE")
        self.assert_fetched(self.fetch(HF_ENDPOINT=endpoint, SSL_CERT_FILE=str(certificate)))
        self.repository.large = 20000
        downgraded = self.fetch(HF_ENDPOINT=endpoint, SSL_CERT_FILE=str(certificate), HF_HUB_CACHE=str(self.folder / "other"))
        self.assert_refused(downgraded, "HUB_ANSWER_INVALID", "https to http")


if __name__ == "__main__":
    unittest.main()
