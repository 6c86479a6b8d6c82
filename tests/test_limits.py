"""Limits: what comes too soon, too often or with too much is refused, and clients back off."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import object_storage_proxy as osp
import pytest
from conftest import CLIENT, Front
from helpers import browser, monitor
from helpers.cli import Run, mistaken, runner, write_toml
from helpers.clients import Keys, refused
from helpers.double import S3Double
from helpers.fleet import get, key
from helpers.served import Served
from helpers.valkey import Valkey, valkey
from helpers.wait import until

BOB = Keys("bob", "bob's secret")
PAIRS = [{"access_key": k.access, "secret_key": k.secret} for k in (CLIENT, BOB)]
ONCE = {"requests": 0.01}  # none but the first, as long as a test takes


def read(s3: Any, name: str = "k") -> bytes:
    return bytes(s3.get_object(Bucket="data", Key=name)["Body"].read())


class TestClients:
    """Those who come too soon."""

    def test_of_boto3_back_off_and_end_well(self, serve: Any, double: S3Double) -> None:
        front: Front = serve(
            {"data": double.entry()}, limits={"token": {"requests": 5, "burst": 1}}
        )
        s3 = front.boto()
        assert [read(s3) for _ in range(6)] == [b"x"] * 6
        assert len(double.seen) == 6

    @pytest.mark.parametrize(
        "limits",
        [
            {"requests": 10, "burst": 2},
            {"concurrent": 2},
            {"bytes_in": 50_000, "bytes_out": 50_000},
        ],
        ids=lambda limits: next(iter(limits)),
    )
    def test_of_the_aws_command_back_off_and_end_well(
        self, serve: Any, any_store: Any, tmp_path: Path, limits: dict[str, Any]
    ) -> None:
        bucket = any_store.make_bucket()
        front: Front = serve({bucket: any_store.entry()}, limits={"token": limits})
        folder, back = tmp_path / "files", tmp_path / "back"
        folder.mkdir()
        for number in range(12):
            (folder / str(number)).write_bytes(bytes([number]) * 10_000)
        aws = front.aws()
        aws("s3", "cp", "--recursive", folder, f"s3://{bucket}/")
        aws("s3", "cp", "--recursive", f"s3://{bucket}/", back)
        for sent in folder.iterdir():
            assert (back / sent.name).read_bytes() == sent.read_bytes()

    def test_of_boto3_wait_for_requests_of_their_own(self, serve: Any, double: S3Double) -> None:
        front: Front = serve({"data": double.entry()}, limits={"token": {"concurrent": 1}})
        here, go = threading.Event(), threading.Event()

        def wait(seen: Any) -> None:
            here.set()
            go.wait(30)

        double.answer = wait
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(read, front.boto())
            here.wait(30)
            assert refused(front.boto(retry=False).get_object, Bucket="data", Key="k").status == 503
            second = pool.submit(read, front.boto())
            go.set()
            assert [first.result(), second.result()] == [b"x"] * 2

    def test_that_are_refused_hear_when_to_come_back(self, serve: Any, double: S3Double) -> None:
        s3 = serve({"data": double.entry()}, limits={"token": {"requests": 0.5}}).boto(retry=False)
        read(s3)
        with pytest.raises(s3.exceptions.ClientError) as caught:
            s3.head_object(Bucket="data", Key="k")
        meta = caught.value.response["ResponseMetadata"]
        assert meta["HTTPStatusCode"] == 503
        assert meta["HTTPHeaders"]["retry-after"] == "2"
        assert 1000 < int(meta["HTTPHeaders"]["x-amz-retry-after"]) <= 2000

    def test_with_a_quota_do_not_try_again(self, serve: Any, double: S3Double) -> None:
        s3 = serve({"data": double.entry()}, limits={"token": {"requests_per_day": 2}}).boto()
        read(s3)
        read(s3)
        answer = refused(s3.get_object, Bucket="data", Key="k")
        assert (answer.status, answer.code) == (403, "QuotaExceeded")
        assert len(double.seen) == 2

    def test_have_each_their_own(self, serve: Any, double: S3Double) -> None:
        front: Front = serve({"data": double.entry()}, hmac_keystore=PAIRS, limits={"token": ONCE})
        alice, bob = front.boto(retry=False), front.boto(keys=BOB, retry=False)
        read(alice)
        assert refused(alice.get_object, Bucket="data", Key="k").code == "SlowDown"
        read(bob)


class TestObjects:
    def test_that_are_too_large_stay_with_the_client(self, serve: Any, double: S3Double) -> None:
        s3 = serve({"data": double.entry()}, limits={"all": {"largest_object": 1000}}).boto()
        s3.put_object(Bucket="data", Key="n", Body=b"x" * 1000)
        answer = refused(s3.put_object, Bucket="data", Key="n", Body=b"x" * 1001)
        assert (answer.status, answer.code) == (400, "EntityTooLarge")
        assert len(double.objects[b"/data/n"]) == 1000

    def test_of_parts_are_as_large_as_all_of_them(self, serve: Any, any_store: Any) -> None:
        bucket, part = any_store.make_bucket(), 5 << 20
        most = {"token": {"largest_object": 2 * part}}
        s3 = serve({bucket: any_store.entry()}, limits=most).boto(retry=False)
        for last, code in ((part, ""), (part + 1, "EntityTooLarge")):
            upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
            at = {"Bucket": bucket, "Key": "k", "UploadId": upload}
            parts = [
                {"PartNumber": i, "ETag": s3.upload_part(**at, PartNumber=i, Body=bytes(n))["ETag"]}
                for i, n in ((1, part), (2, last))
            ]
            if not code:
                s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})
            else:
                said = refused(s3.complete_multipart_upload, **at, MultipartUpload={"Parts": parts})
                assert said.code == code
        assert any_store.client().head_object(Bucket=bucket, Key="k")["ContentLength"] == 2 * part

    def test_of_forms_have_the_same_limit(self, serve: Any, any_store: Any) -> None:
        import httpx

        bucket = any_store.make_bucket()
        front: Front = serve({bucket: any_store.entry()}, limits={"all": {"largest_object": 10}})
        form = front.boto(signature_version="s3v4").generate_presigned_post(bucket, "k")
        for size, status in ((10, 204), (11, 400)):
            answer = httpx.post(form["url"], data=form["fields"], files={"file": b"x" * size})
            assert answer.status_code == status, answer.text


class TestTheValidator:
    def test_chooses_a_class_for_as_long_as_its_decision_is_cached(
        self, serve: Any, double: S3Double
    ) -> None:
        asked: list[str] = []

        def may(token: str, bucket: str) -> osp.Decision:
            asked.append(token)
            return osp.Decision(True, limits="bulk" if token == "bob" else None)

        front: Front = serve(
            {"data": double.entry()},
            hmac_keystore=PAIRS,
            validator=may,
            limits={"token": ONCE, "classes": {"bulk": {"requests": 0.01, "burst": 3}}},
        )
        alice, bob = front.boto(retry=False), front.boto(keys=BOB, retry=False)
        read(alice)
        assert refused(alice.get_object, Bucket="data", Key="k").code == "SlowDown"
        for _ in range(3):
            read(bob)
        assert refused(bob.get_object, Bucket="data", Key="k").code == "SlowDown"
        assert sorted(asked) == ["bob", CLIENT.access]

    def test_that_chooses_what_there_is_not_refuses(self, serve: Any, double: S3Double) -> None:
        front: Front = serve(
            {"data": double.entry()}, validator=lambda t, b: osp.Decision(True, limits="none")
        )
        answer = refused(front.boto(retry=False).get_object, Bucket="data", Key="k")
        assert answer.code == "AccessDenied"
        assert not double.seen


class TestObservers:
    def test_see_which_rule_refused_and_not_whom(self, serve: Any, double: S3Double) -> None:
        front: Front = serve(
            {"data": double.entry()},
            limits={"token": {"read": ONCE}, "all": {"largest_object": 5}},
            metrics_port=0,
        )
        s3 = front.boto(retry=False)
        read(s3)
        assert refused(s3.get_object, Bucket="data", Key="k").code == "SlowDown"
        assert refused(s3.put_object, Bucket="data", Key="k", Body=b"123456").status == 400
        wanted = {("token.read", "requests"), ("all", "largest_object")}
        seen = until(lambda: limited(front) >= wanted and limited(front), "both are counted")
        assert seen == wanted
        if browser.find() is None:
            pytest.skip("there is no Chromium here")
        shown = browser.dom(f"{front.server.metrics_url}/").dom
        assert "token.read" in shown
        assert CLIENT.access not in shown


def limited(front: Front) -> set[tuple[str, str]]:
    found = monitor.scrape(front.server).matching("osp_limited_total")
    return {(dict(labels)["rule"], dict(labels)["measure"]) for labels in found}


class TestFairness:
    def test_at_a_store_a_calm_client_passes_a_greedy_one(
        self, serve: Any, double: S3Double
    ) -> None:
        here, go = threading.Event(), threading.Event()

        def wait(seen: Any) -> None:
            here.set()
            go.wait(30)

        double.answer = wait
        front: Front = serve(
            {"data": double.entry(connections=1)}, hmac_keystore=PAIRS, metrics_port=0
        )
        with ThreadPoolExecutor(21) as pool:
            greedy = [pool.submit(get, front.url()) for _ in range(20)]
            here.wait(30)
            until(lambda: in_flight(front) == 20, "the greedy client's requests wait")
            calm = pool.submit(get, front.url(), BOB, "/data/l")
            until(lambda: in_flight(front) == 21, "the calm client's request waits")
            go.set()
            assert {each.result() for each in [*greedy, calm]} == {200}
        assert [seen.path for seen in double.seen].index("/data/l") <= 2


def in_flight(front: Front) -> float:
    return monitor.scrape(front.server).value("osp_requests_in_flight")


class TestChanges:
    def test_by_update_under_load_lose_no_request(self, serve: Any, double: S3Double) -> None:
        front: Front = serve({"data": double.entry()}, limits={"token": {"requests": 1_000_000}})
        statuses: Counter[int] = Counter()
        done = threading.Event()

        def load() -> None:
            while not done.is_set():
                statuses[get(front.url())] += 1

        with ThreadPoolExecutor(4) as pool:
            running = [pool.submit(load) for _ in range(4)]
            for number in range(50):
                wide = {"requests": 1_000_000, "burst": 1000 + number}
                front.server.update(limits={"token": wide, "all": wide})
            front.server.update(limits={"token": ONCE})
            until(lambda: statuses[503] > 10, "requests are refused")
            front.server.update(limits={})
            before = statuses[200]
            until(lambda: statuses[200] > before + 10, "requests are served again")
            done.set()
            for each in running:
                each.result()
        assert set(statuses) == {200, 503}

    def test_by_sighup_take_limits_away(self, double: S3Double, tmp_path: Path) -> None:
        with ExitStack() as stack:
            folder = tmp_path / "here"
            folder.mkdir()
            served = Served(folder, stack)
            common = {"cos_map": {"data": double.entry()}}
            served.configure(**common, limits={"token": ONCE})
            served.start()
            served.up()
            read(served.boto())
            assert refused(served.boto().get_object, Bucket="data", Key="k").code == "SlowDown"
            served.configure(**common)
            served.child.process.send_signal(signal.SIGHUP)
            served.said("the configuration was reloaded")
            read(served.boto())


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return runner(tmp_path)


class TestMistakes:
    @pytest.mark.parametrize(
        ("limits", "path", "message"),
        [
            ({"tokens": {}}, "limits.tokens", "unknown key; did you mean token?"),
            ({"token": {"requests": 0}}, "limits.token.requests", "must be between 0.001 and"),
            ({"token": {"requests": True}}, "limits.token.requests", "must be a number"),
            ({"all": {"burst": 3}}, "limits.all.burst", "needs requests"),
            ({"all": {"write": {"bytes_in": 5}}}, "limits.all.write.bytes_in", "must be between"),
            ({"all": {"write": {"read": {}}}}, "limits.all.write.read", "unknown key"),
            ({"entry": 5}, "limits.entry", "must be a dict, got an integer"),
            ({"classes": {"bulk": {}}}, "limits.classes", "needs a validator"),
        ],
    )
    def test_are_told_with_their_places(
        self, limits: dict[str, Any], path: str, message: str
    ) -> None:
        config = osp.ProxyServerConfig({}, http_port=0, limits=limits)
        with pytest.raises(osp.ConfigError) as caught:
            osp.ProxyServer(config).check()
        assert [(p, m.startswith(message)) for p, m in caught.value.mistakes] == [(path, True)]

    def test_of_an_entry_too(self, double: S3Double) -> None:
        entry = double.entry(limits={"entry": {}})
        with pytest.raises(osp.ConfigError, match=r'cos_map\["data"\]\.limits\.entry: unknown key'):
            osp.ProxyServer(osp.ProxyServerConfig({"data": entry}, http_port=0)).check()

    def test_in_a_file_have_their_lines(self, run: Run, tmp_path: Path) -> None:
        limits = {"token": {"concurrent": -1}}
        write_toml(tmp_path / "proxy.toml", {"cos_map": {}, "http_port": 0, "limits": limits})
        [line] = mistaken(run("check-config"))
        assert "limits.token.concurrent: must be between" in line


def test_a_replica_that_stops_tells_the_others_what_a_day_has_used_up(
    serve: Any, double: S3Double, tmp_path: Path
) -> None:
    with valkey(tmp_path / "state") as state:
        shared = {"shared_state": state.url, "shared_keys": [key("k1", 1)], "shared_timeout": 2.0}
        quota = {"token": {"bytes_per_day": 1}}
        one, two = (serve({"data": double.entry()}, **shared, limits=quota) for _ in range(2))
        assert get(one.url()) == 200
        one.server.stop()
        assert get(two.url()) == 403


def share(state: Valkey) -> bytes:
    """What the server has of the one share, as it came; nothing if it has none."""
    names = [n for n in state.call("KEYS", "*limit:*").split(b"\r\n") if n.startswith(b"osp:")]
    return b"".join(state.call("HGETALL", name) for name in names)


def test_a_day_goes_on_at_every_replica_where_the_server_has_lost_it(
    serve: Any, double: S3Double, tmp_path: Path
) -> None:
    with valkey(tmp_path / "state") as state:
        shared = {"shared_state": state.url, "shared_keys": [key("k1", 1)], "shared_timeout": 2.0}
        quota = {"token": {"requests_per_day": 1}}
        one, two = (serve({"data": double.entry()}, **shared, limits=quota) for _ in range(2))
        assert get(one.url()) == 200
        assert get(one.url()) == 403
        until(lambda: b"day_requests\r\n$1\r\n1" in share(state), "it is told")
        state.call("FLUSHALL")
        until(lambda: b"day_requests\r\n$1\r\n1" in share(state), "it is told again")
        assert get(two.url()) == 403


SECONDS = 30


@pytest.mark.fleet
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_eight_replicas_admit_what_the_limit_says(
    serve: Any, double: S3Double, tmp_path: Path
) -> None:
    rate = 100
    with valkey(tmp_path / "state") as state:
        shared = {"shared_state": state.url, "shared_keys": [key("k1", 1)], "shared_timeout": 2.0}
        told = {"bytes_out": 1_000_000_000, "bytes_per_day": 1 << 40}  # ten times a second
        limits = {"token": {"requests": rate, "burst": rate, **told}}
        fronts = [serve({"data": double.entry()}, **shared, limits=limits) for _ in range(8)]
        statuses: Counter[int] = Counter()
        begun = time.monotonic()

        def load(front: Front) -> None:
            while time.monotonic() < begun + SECONDS:
                statuses[get(front.url())] += 1

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(load, fronts))
        took = time.monotonic() - begun
    due = rate + rate * took
    bound = due + 8 * max(1, min(rate // 10 // 8, rate // 4))
    assert 0.98 * due <= statuses[200] <= bound, (statuses, due)
    assert set(statuses) == {200, 503}
