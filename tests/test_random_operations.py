"""Random operations on a bucket, held against a model of what S3 means.

The same operations go through the proxy and into a dict; whatever can be read
afterwards has to agree.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import botocore.exceptions
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

MIB = 1 << 20
PART = 5 * MIB

segments = st.text(
    st.characters(
        codec="utf-8", min_codepoint=0x20, exclude_characters="/\\", exclude_categories=("Cs",)
    ),
    min_size=1,
    max_size=12,
).filter(lambda s: s not in (".", "..") and s.strip() == s)
# A tree of two levels: stores on a file system can't have an object within another one.
names = st.one_of(
    segments.map(lambda s: f"top-{s}"),
    st.tuples(st.sampled_from(["a b", "ü", "c+d"]), segments).map("/".join),
)
bodies = st.binary(max_size=2000)
metadata = st.dictionaries(
    st.text("abcdefgh-", min_size=1, max_size=8).filter(lambda s: s.strip("-") == s),
    st.text("abcDEF 0123_", min_size=1, max_size=20).filter(lambda s: s.strip() == s),
    max_size=3,
)


@dataclass
class Object:
    body: bytes
    etag: str
    metadata: dict[str, str] = field(default_factory=dict)


def etag_of(*parts: bytes) -> str:
    digests = [hashlib.md5(part).digest() for part in parts]
    if len(digests) == 1:
        return digests[0].hex()
    return f"{hashlib.md5(b''.join(digests)).hexdigest()}-{len(digests)}"


class Bucket(RuleBasedStateMachine):
    """What a bucket does. `s3` and `name` are set by the test."""

    s3: Any
    name: str

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, Object] = {}

    keys = Bundle("keys")

    @initialize()
    def empty(self) -> None:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name):
            for item in page.get("Contents", []):
                self.s3.delete_object(Bucket=self.name, Key=item["Key"])

    @rule(target=keys, key=names, body=bodies, described=metadata)
    def put(self, key: str, body: bytes, described: dict[str, str]) -> str:
        put = self.s3.put_object(Bucket=self.name, Key=key, Body=body, Metadata=described)
        self.objects[key] = Object(body, etag_of(body), described)
        assert put["ETag"].strip('"') == etag_of(body)
        return key

    @rule(target=keys, key=names, tail=bodies)
    def upload_in_parts(self, key: str, tail: bytes) -> str:
        parts = [bytes([len(tail) % 251]) * PART, tail or b"x"]
        which = {"Bucket": self.name, "Key": key}
        which["UploadId"] = self.s3.create_multipart_upload(**which)["UploadId"]
        done = [
            {"PartNumber": n, "ETag": self.s3.upload_part(**which, PartNumber=n, Body=part)["ETag"]}
            for n, part in enumerate(parts, 1)
        ]
        self.s3.complete_multipart_upload(**which, MultipartUpload={"Parts": done})
        self.objects[key] = Object(b"".join(parts), etag_of(*parts))
        return key

    @rule(key=names)
    def abort(self, key: str) -> None:
        upload = self.s3.create_multipart_upload(Bucket=self.name, Key=key)["UploadId"]
        which = {"Bucket": self.name, "Key": key, "UploadId": upload}
        self.s3.upload_part(**which, PartNumber=1, Body=b"x")
        self.s3.abort_multipart_upload(**which)

    @rule(target=keys, source=keys, key=names)
    def copy(self, source: str, key: str) -> Any:
        where = {"Bucket": self.name, "Key": source}
        if source not in self.objects:
            self.fails("404", self.s3.copy_object, Bucket=self.name, Key=key, CopySource=where)
            return multiple()
        if source == key:
            return multiple()
        done = self.s3.copy_object(Bucket=self.name, Key=key, CopySource=where)
        etag = done["CopyObjectResult"]["ETag"].strip('"')  # stores differ on that of parts
        original = self.objects[source]
        self.objects[key] = Object(original.body, etag, original.metadata)
        return key

    @rule(key=keys, body=bodies)
    def put_if_absent(self, key: str, body: bytes) -> None:
        put = {"Bucket": self.name, "Key": key, "Body": body, "IfNoneMatch": "*"}
        if key in self.objects:
            self.fails("412", self.s3.put_object, **put)
        else:
            self.s3.put_object(**put)
            self.objects[key] = Object(body, etag_of(body))

    @rule(key=keys, begin=st.integers(0, 3000), length=st.integers(1, 3000))
    def get_a_range(self, key: str, begin: int, length: int) -> None:
        get = {"Bucket": self.name, "Key": key, "Range": f"bytes={begin}-{begin + length - 1}"}
        if key not in self.objects:
            self.fails("404", self.s3.get_object, **get)
        elif begin >= len(self.objects[key].body):
            self.fails("416", self.s3.get_object, **get)
        else:
            want = self.objects[key].body[begin : begin + length]
            assert self.s3.get_object(**get)["Body"].read() == want

    @rule(key=keys)
    def get(self, key: str) -> None:
        if key not in self.objects:
            self.fails("404", self.s3.get_object, Bucket=self.name, Key=key)
            return
        got = self.s3.get_object(Bucket=self.name, Key=key)
        want = self.objects[key]
        assert (got["Body"].read(), got["Metadata"]) == (want.body, want.metadata)

    @rule(key=keys, fresh=st.booleans())
    def get_unless_changed(self, key: str, fresh: bool) -> None:
        if key in self.objects:
            etag = f'"{self.objects[key].etag}"' if fresh else '"0"'
            if fresh:
                self.fails("304", self.s3.get_object, Bucket=self.name, Key=key, IfNoneMatch=etag)
            else:
                self.s3.get_object(Bucket=self.name, Key=key, IfNoneMatch=etag)["Body"].read()

    @rule(key=consumes(keys))
    def delete(self, key: str) -> None:
        self.s3.delete_object(Bucket=self.name, Key=key)
        self.objects.pop(key, None)

    @rule(some=st.lists(keys, min_size=1, max_size=5))
    def delete_some(self, some: list[str]) -> None:
        gone = {"Objects": [{"Key": key} for key in dict.fromkeys(some)]}
        done = self.s3.delete_objects(Bucket=self.name, Delete=gone)
        assert not done.get("Errors")
        for key in some:
            self.objects.pop(key, None)

    @rule(size=st.integers(1, 4), prefix=st.sampled_from(["", "a b/", "ü/", "top-", "c+"]))
    def list_in_pages(self, size: int, prefix: str) -> None:
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix, PaginationConfig={"PageSize": size}
        )
        found = [item["Key"] for page in pages for item in page.get("Contents", [])]
        want = sorted((k for k in self.objects if k.startswith(prefix)), key=str.encode)
        assert found == want

    @rule()
    def list_folders(self) -> None:
        got = self.s3.list_objects_v2(Bucket=self.name, Delimiter="/")
        folders = {f"{k.split('/')[0]}/" for k in self.objects if "/" in k}
        assert {p["Prefix"] for p in got.get("CommonPrefixes", [])} == folders
        tops = {k for k in self.objects if "/" not in k}
        assert {c["Key"] for c in got.get("Contents", [])} == tops

    @invariant()
    def the_listing_is_the_model(self) -> None:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        items = [item for page in pages for item in page.get("Contents", [])]
        found = {i["Key"]: (i["Size"], i["ETag"].strip('"')) for i in items}
        assert found == {key: (len(o.body), o.etag) for key, o in self.objects.items()}

    def fails(self, status: str, call: Any, **arguments: Any) -> None:
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            call(**arguments)
        assert str(caught.value.response["ResponseMetadata"]["HTTPStatusCode"]) == status


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("view", ["bucket", "folder"])
def test_a_bucket_behind_the_proxy_is_a_bucket(serve: Any, store: Any, view: str) -> None:
    """As a whole, and as a folder that looks like one."""
    real = store.make_bucket("model")
    entry = store.entry(bucket=real, prefix="team a") if view == "folder" else store.entry()
    bucket = "folder" if view == "folder" else real
    front = serve({bucket: entry}, validator=lambda token, name, request: True)
    state_machine = type("Bound", (Bucket,), {"s3": front.boto(retry=False), "name": bucket})
    run_state_machine_as_test(
        state_machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
