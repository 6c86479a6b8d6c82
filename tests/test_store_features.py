"""Features that not every store has (S3 Select, Object Lock, policies, CORS) reach the client."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from conftest import Front, Place
from helpers.clients import refused
from helpers.raw import send


def test_select_streams_its_events(serve: Any, minio: Any, scheme: str) -> None:
    """SelectObjectContent answers with frames of its own (application/vnd.amazon.eventstream)."""
    bucket = minio.make_bucket("select")
    rows = "".join(f"{n},name-{n}\n" for n in range(200_000))
    s3 = serve({bucket: minio.entry()}).boto(scheme)
    s3.put_object(Bucket=bucket, Key="t.csv", Body=f"id,name\n{rows}")
    answer = s3.select_object_content(
        Bucket=bucket,
        Key="t.csv",
        ExpressionType="SQL",
        Expression="SELECT s.id FROM S3Object s WHERE CAST(s.id AS INT) >= 100000",
        InputSerialization={"CSV": {"FileHeaderInfo": "USE"}},
        OutputSerialization={"CSV": {}},
    )
    events = list(answer["Payload"])
    got = b"".join(e["Records"]["Payload"] for e in events if "Records" in e)
    assert got == b"".join(b"%d\n" % n for n in range(100_000, 200_000))
    assert any("End" in event for event in events)


class TestObjectLock:
    @pytest.fixture
    def locked(self, minio: Any) -> str:
        name = minio.make_bucket("plain") + "-locked"
        minio.client().create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
        return str(name)

    def test_retention_and_legal_hold(self, serve: Any, minio: Any, locked: str) -> None:
        s3 = serve({locked: minio.entry()}).boto(retry=False)
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
        put = s3.put_object(
            Bucket=locked,
            Key="k",
            Body=b"x",
            ObjectLockMode="GOVERNANCE",
            ObjectLockRetainUntilDate=until,
        )
        which = {"Bucket": locked, "Key": "k", "VersionId": put["VersionId"]}
        assert s3.get_object_retention(**which)["Retention"]["Mode"] == "GOVERNANCE"
        assert s3.head_object(**which)["ObjectLockMode"] == "GOVERNANCE"
        assert refused(s3.delete_object, **which).status in (400, 403)
        s3.put_object_legal_hold(**which, LegalHold={"Status": "ON"})
        assert s3.get_object_legal_hold(**which)["LegalHold"]["Status"] == "ON"
        s3.put_object_legal_hold(**which, LegalHold={"Status": "OFF"})
        s3.delete_object(**which, BypassGovernanceRetention=True)
        config = s3.get_object_lock_configuration(Bucket=locked)
        assert config["ObjectLockConfiguration"]["ObjectLockEnabled"] == "Enabled"

    def test_versions_of_a_folder(self, serve: Any, minio: Any, locked: str) -> None:
        """Versions and delete markers, where clients see one folder as the bucket."""
        s3 = serve({"folder": minio.entry(bucket=locked, prefix="team")}).boto(retry=False)
        ids = [
            s3.put_object(Bucket="folder", Key="k", Body=b"%d" % n)["VersionId"] for n in range(2)
        ]
        marker = s3.delete_object(Bucket="folder", Key="k")["VersionId"]
        listed = s3.list_object_versions(Bucket="folder")
        assert [(v["Key"], v["VersionId"]) for v in listed["Versions"]] == [
            ("k", ids[1]),
            ("k", ids[0]),
        ]
        assert [(m["Key"], m["VersionId"]) for m in listed["DeleteMarkers"]] == [("k", marker)]
        old = s3.get_object(Bucket="folder", Key="k", VersionId=ids[0])
        assert (old["Body"].read(), old["VersionId"]) == (b"0", ids[0])
        source = {"Bucket": "folder", "Key": "k", "VersionId": ids[0]}
        s3.copy_object(Bucket="folder", Key="back", CopySource=source)
        assert s3.get_object(Bucket="folder", Key="back")["Body"].read() == b"0"
        gone = [{"Key": "k", "VersionId": v} for v in (*ids, marker)]
        done = s3.delete_objects(Bucket="folder", Delete={"Objects": gone})
        assert {d["VersionId"] for d in done["Deleted"]} == {*ids, marker}


def test_the_buckets_configuration(place: Place) -> None:
    s3, bucket = place.front.boto(retry=False), place.bucket
    allow = {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/public/*"],
    }
    if place.store.name == "versitygw":
        allow["Principal"] = "*"
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    told = place.direct.get_bucket_policy(Bucket=bucket)["Policy"]
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == told
    s3.delete_bucket_policy(Bucket=bucket)
    tags = {"TagSet": [{"Key": "team", "Value": "blue and green"}]}
    s3.put_bucket_tagging(Bucket=bucket, Tagging=tags)
    assert place.direct.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags["TagSet"]
    s3.delete_bucket_tagging(Bucket=bucket)


def test_a_preflight_is_answered_by_the_buckets_configuration(
    serve: Any, running_stores: Any
) -> None:
    store = running_stores("versitygw")
    bucket = store.make_bucket("cors")
    front: Front = serve({bucket: store.entry()})
    rule = {
        "AllowedMethods": ["PUT"],
        "AllowedOrigins": ["https://app.example"],
        "AllowedHeaders": ["authorization"],
    }
    front.boto().put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    for origin, allowed in (("https://app.example", True), ("https://evil.example", False)):
        asked = {
            "Host": front.url().removeprefix("http://"),
            "Origin": origin,
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "authorization",
        }
        answer = send(front.url(), "OPTIONS", f"/{bucket}/k", asked)
        assert answer.status == (200 if allowed else 403)
        told = answer.headers.get("access-control-allow-origin")
        assert told == ("https://app.example" if allowed else None)
