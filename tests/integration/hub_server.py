# SPDX-License-Identifier: Apache-2.0
"""A Hugging Face Hub of our own on the loopback interface: two servers, one with the API and one, on another port, that
large files are redirected to. It counts what it is asked for and sends, and misbehaves as it is told."""

import collections
import contextlib
import hashlib
import http.server
import json
import re
import socket
import threading
import time
import urllib.parse

CHUNK = 65536


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Repository:
    """Files at one commit. Those of `large` bytes and more are in LFS."""

    def __init__(self, files, commit="c" * 40, large=20000):
        self.files = dict(files)
        self.commit = commit
        self.refs = {"main": commit}
        self.large = large
        self.gated = False
        self.token = None  # needed to see it
        self.renamed = None  # the name to redirect to

    def is_lfs(self, path):
        return len(self.files[path]) >= self.large

    def etag(self, path):
        data = self.files[path]
        return hashlib.sha256(data).hexdigest() if self.is_lfs(path) else git_sha1(data)


class HubServer:
    """The servers, and their faults: each is looked at anew for every request."""

    def __init__(self):
        self.repositories = {}
        self.requests = []  # (server, method, path, range, token)
        self.sent_bytes = collections.Counter()  # by path of the file or hash
        self.delay = 0  # seconds before each 64 KiB of a file
        self.cuts = 0  # so many answers are cut ...
        self.cut_after = 0  # ... after so many bytes
        self.statuses = []  # for the next requests of files: (status, fields)
        self.extra_length = 0  # added to every length told of a file
        self.flip = None  # a path whose first byte is another one
        self.knows_ranges = True
        self.hides_hashes = False
        self.stall = threading.Event()  # set: files' bytes stop
        self.lock = threading.Lock()
        self.hub = self._serve("hub")
        self.cdn = self._serve("cdn")

    def _serve(self, name):
        owner = self

        class Handler(_Handler):
            hub = owner
            server_name = name

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.hub.server_port}"

    @property
    def cdn_endpoint(self):
        return f"http://127.0.0.1:{self.cdn.server_port}"

    def close(self):
        self.stall.clear()
        for server in (self.hub, self.cdn):
            server.shutdown()
            server.server_close()

    def forget(self):
        with self.lock:
            self.requests.clear()
            self.sent_bytes.clear()

    def total_sent(self):
        with self.lock:
            return sum(self.sent_bytes.values())

    def large_file(self, digest):
        for repository in self.repositories.values():
            for path, data in repository.files.items():
                if hashlib.sha256(data).hexdigest() == digest:
                    return path, data
        return None, None


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub = None
    server_name = ""

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        with self.hub.lock:
            self.hub.requests.append((self.server_name, self.command, self.path, self.headers.get("Range"), token))
        path = urllib.parse.urlsplit(self.path).path
        with contextlib.suppress(OSError):
            if self.server_name == "cdn":
                self.send_large(path)
            elif path.startswith("/api/models/"):
                self.send_api(path.removeprefix("/api/models/"), token)
            else:
                self.send_resolved(path.lstrip("/"), token)

    def reply(self, status, body=b"", **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), str(value))
        if "Content_Length" not in fields:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reply_json(self, value):
        self.reply(200, json.dumps(value).encode(), Content_Type="application/json")

    def find(self, name, token):
        """The repository, or None when the refusal is sent."""
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.token and token != repository.token and not token):
            self.reply(401, b'{"error": "Repository not found"}', X_Error_Code="RepoNotFound")
            return None
        if repository.token and token != repository.token:
            self.reply(401, b'{"error": "Invalid credentials"}')
            return None
        return repository

    def send_api(self, rest, token):
        found = re.fullmatch(r"(.+?)(?:/(revision|tree)/([^/]+))?", rest)
        repository = self.find(found[1], token)
        if repository is None:
            return
        if repository.renamed:
            self.reply(307, Location=self.path.replace(found[1], repository.renamed))
            return
        commit = self.commit_of(repository, urllib.parse.unquote(found[3] or "main"))
        if commit is None:
            return
        if found[2] == "tree":
            self.reply_json([self.tree_entry(repository, path) for path in repository.files])
        else:
            siblings = [self.sibling(repository, path) for path in repository.files]
            self.reply_json({"id": found[1], "modelId": found[1], "sha": commit, "siblings": siblings, "private": False, "tags": []})

    def commit_of(self, repository, revision):
        commit = repository.refs.get(revision, revision)
        if commit != repository.commit:
            self.reply(404, b'{"error": "Invalid rev id"}', X_Error_Code="RevisionNotFound")
            return None
        return commit

    def sibling(self, repository, path):
        data = repository.files[path]
        entry = {"rfilename": path}
        if not self.hub.hides_hashes:
            entry |= {"size": len(data), "blobId": git_sha1(data)}
            if repository.is_lfs(path):
                entry["lfs"] = {"sha256": repository.etag(path), "size": len(data), "pointerSize": 134}
        return entry

    def tree_entry(self, repository, path):
        data = repository.files[path]
        entry = {"type": "file", "path": path, "size": len(data), "oid": git_sha1(data)}
        if repository.is_lfs(path):
            entry["lfs"] = {"oid": repository.etag(path), "size": len(data), "pointerSize": 134}
        return entry

    def send_resolved(self, rest, token):
        found = re.fullmatch(r"(.+?)/resolve/([^/]+)/(.+)", rest)
        if found is None:
            self.reply(404)
            return
        repository = self.find(found[1], token)
        if repository is None:
            return
        if repository.renamed:
            self.reply(307, Location=self.path.replace(found[1], repository.renamed, 1))
            return
        if repository.gated:
            self.reply(403, b'{"error": "gated"}', X_Error_Code="GatedRepo")
            return
        commit = self.commit_of(repository, urllib.parse.unquote(found[2]))
        path = urllib.parse.unquote(found[3])
        if commit is None:
            return
        if path not in repository.files:
            self.reply(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
            return
        etag = f'"{repository.etag(path)}"'
        if not repository.is_lfs(path):
            self.send_file(path, repository.files[path], X_Repo_Commit=commit, ETag=etag)
            return
        size = len(repository.files[path])
        location = f"{self.hub.cdn_endpoint}/lfs/{repository.etag(path)}?signature=secret"
        self.reply(302, X_Repo_Commit=commit, X_Linked_Etag=etag, X_Linked_Size=size, ETag=etag, Location=location)

    def send_large(self, path):
        name, data = self.hub.large_file(path.removeprefix("/lfs/"))
        if data is None:
            self.reply(404)
        else:
            self.send_file(name, data)

    def send_file(self, path, data, **fields):
        with self.hub.lock:
            status = self.hub.statuses.pop(0) if self.hub.statuses and self.command == "GET" else None
        if status is not None:
            self.reply(status[0], **status[1])
            return
        if self.hub.flip == path:
            data = bytes([data[0] ^ 1]) + data[1:]
        total = len(data) + self.hub.extra_length
        begin, end, code = 0, len(data), 200
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if wanted and self.hub.knows_ranges:
            begin, end, code = int(wanted[1]), int(wanted[2] or len(data) - 1) + 1, 206
            fields["Content_Range"] = f"bytes {begin}-{end - 1}/{total}"
        extra = self.hub.extra_length if code == 200 else 0
        self.send_response(code)
        for name, value in (fields | {"Content_Length": end - begin + extra, "Accept_Ranges": "bytes"}).items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.send_body(path, data[begin:end])

    def send_body(self, path, data):
        with self.hub.lock:
            is_cut = self.hub.cuts > 0 and len(data) > self.hub.cut_after
            self.hub.cuts -= is_cut
        if is_cut:
            data = data[: self.hub.cut_after]
        for begin in range(0, len(data), CHUNK):
            time.sleep(self.hub.delay)
            while self.hub.stall.is_set():
                time.sleep(0.05)
            chunk = data[begin : begin + CHUNK]
            self.wfile.write(chunk)
            with self.hub.lock:
                self.hub.sent_bytes[path] += len(chunk)
        if is_cut:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
