"""What a store is asked to do is what the validator was asked about.

AWS's own model of S3, as botocore ships it, says which operations there are and
what belongs to each.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

import botocore.loaders
import pytest
from conftest import CLIENT, Front
from helpers import raw
from helpers.double import S3Double, Seen

MODEL = botocore.loaders.Loader().load_service_model("s3", "service-2")
# Not requests to a bucket, or refused for what they hand out; see docs/security.md.
ELSEWHERE = {"ListBuckets", "ListDirectoryBuckets", "WriteGetObjectResponse", "CreateSession"}
OPERATIONS = sorted(
    name
    for name, operation in MODEL["operations"].items()
    if name not in ELSEWHERE and not operation.get("deprecated")
)
VALUES = {  # of fields and parameters whose value is looked at
    "partNumber": "1",
    "Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg==",
    "x-amz-copy-source": "/data/source",
    "x-amz-rename-source": "source",
    "x-amz-copy-source-range": "bytes=0-1",
}


def members(operation: str, location: str) -> list[str]:
    """The names of an operation's fields or parameters."""
    shape = MODEL["operations"][operation].get("input", {}).get("shape", "")
    found = MODEL["shapes"].get(shape, {}).get("members", {}).values()
    return [m["locationName"] for m in found if m.get("location") == location]


def needed(operation: str) -> list[str]:
    """The parameters that must be there."""
    shape = MODEL["shapes"].get(MODEL["operations"][operation].get("input", {}).get("shape"), {})
    named = [shape["members"][member] for member in shape.get("required", [])]
    return [m["locationName"] for m in named if m.get("location") == "querystring"]


class Asked:
    """A validator that notes what it is asked, and refuses some operations."""

    def __init__(self, *refused: str) -> None:
        self.questions: list[dict[str, Any]] = []
        self.refused = refused

    def __call__(self, token: str, bucket: str, request: dict[str, Any]) -> bool:
        self.questions.append({**request, "headers": dict(request["headers"])})
        return request["operation"] not in self.refused

    @property
    def operations(self) -> list[str]:
        return [q["operation"] for q in self.questions]


def target_of(operation: str, bucket: str, params: list[str]) -> str:
    """The target of an operation's request with some of its parameters."""
    path, _, query = MODEL["operations"][operation]["http"]["requestUri"].partition("?")
    path = path.replace("{Bucket}", bucket).replace("{Key+}", "k")
    pairs = parse_qsl(query, keep_blank_values=True) + [(p, VALUES.get(p, "v")) for p in params]
    return f"{path}?{urlencode(pairs)}"


def ask(front: Front, method: str, target: str, headers: dict[str, str]) -> raw.Answer:
    """Sends a request whose path is spelled in any way; its signature is the same."""
    path, mark, query = target.partition("?")
    canonical = quote(unquote(path), safe="/~") + mark + query
    signed = raw.sign(method, front.url() + canonical, CLIENT, b"", headers)
    if method in ("PUT", "POST"):
        signed["Content-Length"] = "0"
    return raw.send(front.url(), method, target, signed)


@pytest.fixture
def recording(double: S3Double) -> S3Double:
    """A store that says yes to everything, and has every operation of AWS's."""
    double.answer = lambda seen: (200, {}, b"")
    double.check = lambda seen: None
    return double


def shown(seen: Seen, question: dict[str, Any]) -> list[str]:
    """What reached the store and was not shown to the validator."""
    parameters = {name for name, _ in question["query"]}
    query = seen.target.partition("?")[2]
    hidden = [n for n, _ in parse_qsl(query, keep_blank_values=True) if n not in parameters]
    of_the_proxy = {"authorization", "x-amz-date", "x-amz-content-sha256", "content-length"}
    of_the_proxy |= {"accept-encoding"}  # where it has to understand the answer
    return hidden + [n for n in seen.headers if n not in question["headers"].keys() | of_the_proxy]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_is_asked_about_by_its_name_and_with_all_that_belongs_to_it(
    serve: Any, recording: S3Double, operation: str
) -> None:
    asked = Asked()
    front = serve({"data": recording.entry(complete=True)}, validator=asked)
    method = MODEL["operations"][operation]["http"]["method"]
    extra = [p for p in members(operation, "querystring") if p not in needed(operation)]
    # Those that say something of the body have tests of their own.
    of_bodies = ("x-amz-checksum-", "x-amz-sdk-checksum-", "content-length")
    fields = [f for f in members(operation, "header") if not f.lower().startswith(of_bodies)]
    headers = {field: VALUES.get(field, "v") for field in fields}
    answer = ask(front, method, target_of(operation, "data", needed(operation) + extra), headers)
    if operation in ("DeleteObjects", "RestoreObject"):  # their bodies are read, and there is none
        assert answer.code == "MalformedXML" or asked.operations[0] == operation
        return
    assert answer.status == 200, answer
    assert asked.operations[0] == operation
    (seen,) = recording.seen
    assert shown(seen, asked.questions[0]) in ([], ["x-amz-copy-source"], ["x-amz-rename-source"])
    if "copy" in operation.lower() or operation == "RenameObject":
        assert asked.questions[0]["copy_source"] == "data/source"


def plain(operation: str) -> str | None:
    """What a store does that passes over the parameter which selects an operation."""
    http = MODEL["operations"][operation]["http"]
    at, _, query = http["requestUri"].partition("?")
    if not query.replace("x-id=", "") and "uploadId" not in needed(operation):
        return None
    return {
        ("GET", "/{Bucket}"): "ListObjects",
        ("PUT", "/{Bucket}"): "CreateBucket",
        ("DELETE", "/{Bucket}"): "DeleteBucket",
        ("GET", "/{Bucket}/{Key+}"): "GetObject",
        ("PUT", "/{Bucket}/{Key+}"): "PutObject",
        ("DELETE", "/{Bucket}/{Key+}"): "DeleteObject",
    }.get((http["method"], at))


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if plain(o)])
def test_a_store_that_lacks_an_operation_does_nothing_that_was_refused(
    serve: Any, recording: S3Double, operation: str
) -> None:
    instead = plain(operation)
    assert instead is not None
    asked = Asked(instead)
    front = serve({"data": recording.entry()}, validator=asked)
    method = MODEL["operations"][operation]["http"]["method"]
    headers = {f: VALUES[f] for f in members(operation, "header") if f.endswith("-source")}
    answer = ask(front, method, target_of(operation, "data", needed(operation)), headers)
    if operation in ("ListObjectsV2", "ListObjectVersions", "UploadPart", "UploadPartCopy"):
        assert answer.status == 200, "it is no less than what a store would do instead"
        return
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert asked.operations == [operation, instead]
    assert recording.seen == []


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("DELETE", "/data/k?retention", 405, "MethodNotAllowed"),
        ("DELETE", "/data?versioning", 405, "MethodNotAllowed"),
        ("DELETE", "/data/k?bogus", 501, "NotImplemented"),
        ("PUT", "/data?replication-reset=x", 501, "NotImplemented"),
        ("GET", "/data/k?lambdaArn=x", 501, "NotImplemented"),
        ("DELETE", "/data/k?uploadId=", 400, "InvalidArgument"),
        ("GET", "/data/k?versionId=", 400, "InvalidArgument"),
        ("GET", "/data//k", 400, "InvalidURI"),
        ("GET", "/minio/admin/v3/info", 404, "NoSuchBucket"),
        ("GET", "/%6Dinio/admin/v3/info", 404, "NoSuchBucket"),
    ],
)
def test_what_s3_does_not_have_reaches_no_store(
    serve: Any, recording: S3Double, method: str, target: str, status: int, code: str
) -> None:
    front = serve({"data": recording.entry(), "*": recording.entry()})
    answer = ask(front, method, target, {})
    assert (answer.status, answer.code) == (status, code)
    assert recording.seen == []


def test_notes_for_a_log_and_fields_that_nobody_knows_end_at_the_proxy(
    serve: Any, recording: S3Double
) -> None:
    front = serve({"data": recording.entry()})
    headers = {
        "X-HTTP-Method-Override": "DELETE",
        "X-Original-URL": "/other",
        "x-emc-namespace": "n",
    }
    assert ask(front, "GET", "/data/k?x-note=1&x-id=GetObject", headers).status == 200
    (seen,) = recording.seen
    assert seen.target == "/data/k?x-id=GetObject"
    assert not {name.lower() for name in headers} & seen.headers.keys()


def test_one_object_has_one_path(serve: Any, recording: S3Double) -> None:
    asked = Asked()
    front = serve({"data": recording.entry()}, validator=asked)
    spellings = ["/data/public/x", "/data/%70ublic/x", "/data/public%2Fx", "/%64ata/public/x"]
    for target in spellings:
        assert ask(front, "GET", target, {}).status == 200
    assert {q["path"] for q in asked.questions} == {"/data/public/x"}
    assert asked.questions[0]["raw_path"] == spellings[0]
    assert [seen.target for seen in recording.seen] == ["/data/public/x"] * 4
