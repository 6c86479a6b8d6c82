"""Clients that use a proxy without a pause, and know what their objects may hold."""

from __future__ import annotations

import hashlib
import itertools
import random
import threading
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import botocore.exceptions
import httpx
import urllib3.exceptions
from bench import signing

from helpers import raw
from helpers.clients import CLIENT, boto
from helpers.scene import Scene

# What a fault may come to for the client whose request meets it.
EXPLAINED = {"502 BadGateway", "504 GatewayTimeout", "503 SlowDown", "broken off"}


class Tally:
    """What has happened so far, by all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.done: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.wrong: list[str] = []

    def count(self, what: Counter[str], name: str) -> None:
        with self._lock:
            what[name] += 1

    def blame(self, text: str) -> None:
        with self._lock:
            self.wrong.append(text)
            print(f"WRONG: {text}", flush=True)


def kind_of(status: int, code: str) -> str:
    names = {"502": "BadGateway", "503": "SlowDown", "504": "GatewayTimeout"}
    return f"{status} {names.get(code, code)}"


GONE = ""  # stands for the digest of an object that is not there


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


class Worker:
    """One client with keys of its own in one bucket, and what each of them may hold."""

    def __init__(self, here: Scene, tally: Tally, number: int, seed: int) -> None:
        self.random = random.Random(f"{seed}/{number}")
        self.bucket = ("data", "secure")[number % 2]
        scheme = ("http", "https")[number // 2 % 2]
        ca = here.ca if scheme == "https" else None
        self.s3 = boto(here.proxy.url(scheme), CLIENT, ca=ca, retry=False, read_timeout=90)
        self.tally = tally
        self.names = [f"w{number}/{n:02}" for n in range(20)]
        self.may: dict[str, set[str]] = {name: {GONE} for name in self.names}
        self.serial = itertools.count()

    def body(self, most: int) -> bytes:
        """Bytes that no other body has."""
        size = self.random.choice((0, 100, 8_000, 200_000, most))
        seed = f"{self.names[0]} {next(self.serial)} ".encode()
        return (seed * (size // len(seed) + 1))[: max(size, len(seed))]

    def step(self) -> None:
        often, some = [self.put, self.get], [self.part, self.head, self.copy, self.listing]
        action = self.random.choice(
            [*often, *often, *some, self.remove, self.remove_some, self.multipart]
        )
        try:
            action(self.random.choice(self.names))
        except botocore.exceptions.ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            code = error.response["Error"]["Code"]
            # boto3 takes the status for a code where it can't read a document: an answer
            # to HEAD has none, others were broken off.
            readable = action == self.head or code != str(status)
            self.failed(kind_of(status, code) if readable else "broken off")
        except (botocore.exceptions.BotoCoreError, urllib3.exceptions.HTTPError, OSError):
            self.failed("broken off")
        else:
            self.tally.count(self.tally.done, action.__name__)

    def close(self) -> None:
        self.s3.close()

    def failed(self, kind: str) -> None:
        self.tally.count(self.tally.errors, kind)

    def holds(self, name: str, what: str) -> None:
        """Somebody has seen what an object holds."""
        if what not in self.may[name]:
            self.tally.blame(f"{self.bucket}/{name} is not what was put there")
        self.may[name] = {what}

    def change(self, name: str, what: str, request: Callable[[], Any]) -> None:
        """A request after which an object holds this; when it fails, perhaps."""
        self.may[name] = self.may[name] | {what}
        request()
        self.may[name] = {what}

    def put(self, name: str) -> None:
        body = self.body(2_000_000)
        where = {"Bucket": self.bucket, "Key": name}
        self.change(name, digest(body), lambda: self.s3.put_object(**where, Body=body))

    def _read(self, name: str, **more: Any) -> bytes | None:
        try:
            return bytes(self.s3.get_object(Bucket=self.bucket, Key=name, **more)["Body"].read())
        except self.s3.exceptions.NoSuchKey:
            self.holds(name, GONE)
            return None

    def get(self, name: str) -> None:
        body = self._read(name)
        if body is not None:
            self.holds(name, digest(body))

    def part(self, name: str) -> None:
        """A range is a part of what the whole is."""
        whole = self._read(name)
        if whole:
            self.holds(name, digest(whole))
            begin = self.random.randrange(len(whole))
            if self._read(name, Range=f"bytes={begin}-") != whole[begin:]:
                self.tally.blame(f"a range of {self.bucket}/{name} is another one")

    def head(self, name: str) -> None:
        try:
            self.s3.head_object(Bucket=self.bucket, Key=name)
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "404":
                raise
            self.holds(name, GONE)

    def copy(self, name: str) -> None:
        source = self.random.choice(self.names)
        known = self.may[source]
        if name == source or len(known) != 1 or GONE in known:
            return
        where = {"Bucket": self.bucket, "Key": name}
        self.change(
            name,
            next(iter(known)),
            lambda: self.s3.copy_object(**where, CopySource=f"{self.bucket}/{source}"),
        )

    def remove(self, name: str) -> None:
        where = {"Bucket": self.bucket, "Key": name}
        self.change(name, GONE, lambda: self.s3.delete_object(**where))

    def remove_some(self, name: str) -> None:
        names = {name, self.random.choice(self.names)}
        for each in names:
            self.may[each] = self.may[each] | {GONE}
        objects = {"Objects": [{"Key": each} for each in names]}
        answer = self.s3.delete_objects(Bucket=self.bucket, Delete=objects)
        assert not answer.get("Errors"), answer["Errors"]
        for each in names:
            self.may[each] = {GONE}

    def listing(self, name: str) -> None:
        prefix = name.split("/")[0] + "/"
        answer = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        there = {item["Key"] for item in answer.get("Contents", [])}
        for each in self.names:
            if each in there:
                self.may[each] = self.may[each] - {GONE}
            elif GONE in self.may[each]:
                self.may[each] = {GONE}
            else:
                self.tally.blame(f"a list lacks {self.bucket}/{each}")
            if not self.may[each]:
                self.tally.blame(f"a list has {self.bucket}/{each}, which is gone")

    def multipart(self, name: str) -> None:
        parts = [b"part one " * 600_000, self.body(100_000)]
        where = {"Bucket": self.bucket, "Key": name}
        upload = {**where, "UploadId": self.s3.create_multipart_upload(**where)["UploadId"]}
        try:
            sent = [
                {
                    "PartNumber": n,
                    "ETag": self.s3.upload_part(**upload, PartNumber=n, Body=p)["ETag"],
                }
                for n, p in enumerate(parts, 1)
            ]
        except BaseException:
            with suppress(botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
                self.s3.abort_multipart_upload(**upload)
            raise
        self.change(
            name,
            digest(b"".join(parts)),
            lambda: self.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": sent}),
        )


class Http2Reader:
    """Gets one object again and again, several at a time on one connection."""

    BODY = b"over one connection " * 5_000

    def __init__(self, here: Scene, tally: Tally) -> None:
        self.url, self.tally = here.proxy.https_url, tally
        here.s3.put_object(Bucket="data", Key="shared", Body=self.BODY)
        self.http = httpx.Client(http2=True, verify=here.context("https"), trust_env=False)  # type: ignore[arg-type]

    def step(self) -> None:
        target = f"{self.url}/data/shared"
        try:
            answer = self.http.get(target, headers=raw.sign("GET", target, CLIENT))
        except httpx.HTTPError:
            self.tally.count(self.tally.errors, "broken off")
            return
        if answer.status_code != 200:
            code = ET.fromstring(answer.content).findtext("Code")
            self.tally.count(self.tally.errors, kind_of(answer.status_code, code or ""))
        elif answer.content != self.BODY:
            self.tally.blame("data/shared over HTTP/2 is not what was put there")
        else:
            self.tally.count(self.tally.done, "http2_get")

    def close(self) -> None:
        self.http.close()


class Vanisher:
    """A client that leaves in the middle of everything."""

    def __init__(self, here: Scene, tally: Tally, seed: int) -> None:
        self.here, self.tally, self.random = here, tally, random.Random(f"{seed}/vanisher")
        self.serial = itertools.count()

    def step(self) -> None:
        scheme = self.random.choice(("http", "https"))
        url = self.here.proxy.url(scheme)
        method = self.random.choice(("PUT", "GET"))
        key = f"never/{next(self.serial)}" if method == "PUT" else "shared"
        body = b"never " * 50_000 if method == "PUT" else b""
        payload = self.random.choice((signing.UNSIGNED, signing.CHUNKS, signing.TRAILER, "hash"))
        keys = signing.Keys(CLIENT.access, CLIENT.secret)
        host = url.partition("://")[2]
        request = signing.sign(method, host, f"/data/{key}", keys, body, payload)
        length = {"content-length": str(len(request.body))} if request.body else {}
        head = raw.head_bytes(method, request.path, {**request.headers, **length})
        # All of a body but its last byte is the most that it may send.
        data = (head + request.body)[: self.random.randrange(1, len(head) + len(request.body))]
        with suppress(OSError), raw.connect(url, context=self.here.context(scheme)) as link:
            link.sendall(data if body or self.random.random() < 0.3 else head)
            link.settimeout(self.random.choice((0.001, 0.1)))
            link.recv(100)
        self.tally.count(self.tally.done, "vanished")

    def close(self) -> None:
        """It keeps nothing."""
