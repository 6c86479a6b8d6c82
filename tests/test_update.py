"""update() of a running server: new stores and keys, for the next request and the next start."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import object_storage_proxy as osp
import pytest
from conftest import CLIENT, Front
from helpers.certificates import Certificates
from helpers.clients import Keys, refused
from helpers.double import KEYS, S3Double
from helpers.load import load
from helpers.wait import until
from object_storage_proxy import _document, _lib


class TestUpdate:
    @pytest.mark.slow
    def test_under_load_it_fails_no_request(self, serve: Any) -> None:
        with S3Double() as one, S3Double() as two:
            for double in (one, two):
                double.objects[b"/data/k"] = b"x" * 1000
            front: Front = serve({"data": one.entry()})
            client = front.boto(retry=False)
            pairs = [{"access_key": CLIENT.access, "secret_key": CLIENT.secret}]
            with load(lambda: client.get_object(Bucket="data", Key="k")["Body"].read()) as outcomes:
                for n in range(40):
                    enough = outcomes["good"] + 10
                    until(lambda enough=enough: outcomes["good"] > enough, "requests")
                    front.server.update(
                        cos_map={"data": (one, two)[n % 2].entry(ttl=n)}, hmac_keystore=pairs
                    )
            assert set(outcomes) == {"good"}
            assert len(one.seen) > 10
            assert len(two.seen) > 10
            assert one.problems == two.problems == []

    def test_what_it_swaps(self, serve: Any) -> None:
        with S3Double() as double:
            double.objects = {b"/data/k": b"x", b"/more/k": b"y"}
            front: Front = serve({"data": double.entry()})
            s3, bob = front.boto(retry=False), front.boto(keys=Keys("bob", "b"), retry=False)
            front.server.update(cos_map={"more": double.entry()})
            assert s3.get_object(Bucket="more", Key="k")["Body"].read() == b"y"
            assert refused(s3.get_object, Bucket="data", Key="k").code == "NoSuchBucket"
            front.server.update(hmac_keystore=[{"access_key": "bob", "secret_key": "b"}])
            assert bob.get_object(Bucket="more", Key="k")["Body"].read() == b"y"
            assert refused(s3.get_object, Bucket="more", Key="k").code == "InvalidAccessKeyId"
            front.server.update(hmac_keystore=[])
            assert refused(bob.get_object, Bucket="more", Key="k").code == "InvalidAccessKeyId"

    def test_a_mistake_leaves_the_old_one(self, serve: Any) -> None:
        with S3Double() as double:
            double.objects[b"/data/k"] = b"x"
            front: Front = serve({"data": double.entry()})
            wrong: list[dict[str, Any]] = [
                {"cos_map": {"data": double.entry(port=0)}},
                {"cos_map": {"data": double.entry(), "more": 3}},
                {"cos_map": {"data": object()}},
                {"cos_map": {"data": double.entry(anonymous=True)}},
                {"hmac_keystore": [{"access_key": "a"}]},
                {"cos_map": {}, "hmac_keystore": [{"access_key": "a", "secret_key": ""}]},
            ]
            for changes in wrong:
                with pytest.raises(osp.ConfigError):
                    front.server.update(**changes)
                assert front.boto().head_object(Bucket="data", Key="k")

    def test_it_changes_nothing_but_what_it_is_given(
        self, serve: Any, certificates: Certificates
    ) -> None:
        """Whatever has become of what was given before."""
        alice = {"access_key": CLIENT.access, "secret_key": CLIENT.secret}
        mallory = {"access_key": "mallory", "secret_key": "m"}
        with S3Double() as double, S3Double(certificates=certificates) as secure:
            double.objects = {b"/data/k": b"x", b"/rogue/k": b"x"}
            cos_map, pairs = {"data": double.entry()}, [dict(alice)]
            front: Front = serve(cos_map, hmac_keystore=pairs)
            config = front.server._config

            def edit(entries: dict[str, Any], keys: list[dict[str, str]]) -> None:
                entries["rogue"] = double.entry()
                entries["data"]["port"] = 1
                keys.append(mallory)

            def unharmed() -> None:
                answer = front.boto(retry=False).get_object(Bucket="data", Key="k")
                assert answer["Body"].read() == b"x"
                rogue = front.boto(retry=False).get_object
                assert refused(rogue, Bucket="rogue", Key="k").code == "NoSuchBucket"
                strange = front.boto(keys=Keys("mallory", "m"), retry=False).get_object
                assert refused(strange, Bucket="data", Key="k").code == "InvalidAccessKeyId"

            edit(cos_map, pairs)
            front.server.update(cos_map=(cos_map := {"data": double.entry()}))
            unharmed()
            front.server.update(hmac_keystore=(pairs := [dict(alice)]))
            edit(cos_map, pairs)
            config.verify = False
            front.server.update(cos_map=(more := {"data": double.entry(), "tls": secure.entry()}))
            unharmed()
            unverified = front.boto(retry=False).get_object
            assert refused(unverified, Bucket="tls", Key="k").code == "BadGateway"
            edit(more, pairs)
            front.server.update()
            unharmed()

    def test_two_at_a_time_lose_nothing(self, serve: Any) -> None:
        alice = {"access_key": CLIENT.access, "secret_key": CLIENT.secret}
        bob = {"access_key": "bob", "secret_key": "b"}
        with S3Double() as double:
            double.objects[b"/data/k"] = b"x"
            filler = {f"filler-{n}": double.entry(ttl=n) for n in range(500)}
            front: Front = serve({"data": double.entry()}, hmac_keystore=[alice])
            s3, his = front.boto(retry=False), front.boto(keys=Keys("bob", "b"), retry=False)
            with ThreadPoolExecutor(2) as pool:
                for n in range(40):
                    there = n % 2 == 0
                    stores = {**filler, **({"data": double.entry(ttl=n)} if there else {})}
                    made = [
                        pool.submit(front.server.update, cos_map=stores),
                        pool.submit(
                            front.server.update, hmac_keystore=[alice, bob] if there else [alice]
                        ),
                    ]
                    for update in made:
                        update.result(20)
                    if there:
                        assert s3.head_object(Bucket="data", Key="k")
                        assert his.head_object(Bucket="data", Key="k")
                    else:
                        code = refused(s3.get_object, Bucket="data", Key="k").code
                        assert code == "NoSuchBucket"
                        code = refused(his.get_object, Bucket="filler-1", Key="k").code
                        assert code == "InvalidAccessKeyId"
                    keystore = front.server._config.hmac_keystore or []
                    assert len(keystore) == (2 if there else 1)

    @pytest.mark.parametrize("what", ["updates", "starts it again"])
    @pytest.mark.parametrize("who", ["a signal's handler", "another thread"])
    def test_who_comes_between_the_server_and_the_configuration(
        self, serve: Any, monkeypatch: pytest.MonkeyPatch, who: str, what: str
    ) -> None:
        """Whatever comes last, both have it."""
        with S3Double() as double:
            front: Front = serve({"data": double.entry()})
            update, others = _lib.Library.update, list[threading.Thread]()

            def act() -> None:
                if what == "updates":
                    front.server.update(cos_map={"theirs": double.entry()})
                else:
                    front.server.stop(0)
                    front.server.start()

            def updated(lib: _lib.Library, handle: int, document: bytes) -> None:
                update(lib, handle, document)
                monkeypatch.undo()
                if who == "another thread":
                    others.append(threading.Thread(target=act))
                    others[0].start()
                    others[0].join(0.3)  # as far as it comes
                else:
                    act()

            monkeypatch.setattr(_lib.Library, "update", updated)
            front.server.update(cos_map={"mine": double.entry()})
            for other in others:
                other.join(20)
            last = "theirs" if what == "updates" and who == "another thread" else "mine"
            names = front.boto().list_buckets()["Buckets"]
            assert [bucket["Name"] for bucket in names] == [last]
            assert list(front.server._config.cos_map) == [last]

    def test_what_a_signals_handler_raises_is_no_mistake_of_the_configuration(
        self, serve: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only code of what is given could raise while that is read."""

        class Odd(dict[str, Any]):
            def items(self) -> Any:
                raise LookupError

        def handled(*_: object) -> bool:
            raise LookupError

        with S3Double() as double:
            front: Front = serve({"data": double.entry()})
            with pytest.raises(osp.ConfigError, match=r"^cos_map: can't be read: LookupError$"):
                front.server.update(cos_map={"data": Odd()})
            monkeypatch.setattr(_document, "_is_unicode", handled)
            with pytest.raises(LookupError):
                front.server.update(cos_map={"data": double.entry()})

    def test_credentials_fetched_for_one_store_stay_there(self, serve: Any) -> None:
        asked: list[str] = []

        def fetch(token: str, bucket: str) -> dict[str, Any]:
            asked.append(bucket)
            return {"access_key": KEYS.access, "secret_key": KEYS.secret}

        with S3Double() as one, S3Double() as two:
            first = {"data": one.entry(access_key=None, secret_key=None)}
            front: Front = serve(first, bucket_creds_fetcher=fetch)
            s3 = front.boto()
            s3.put_object(Bucket="data", Key="k", Body=b"x")
            front.server.update(cos_map=first)  # the same again: nothing is asked twice
            s3.put_object(Bucket="data", Key="k", Body=b"x")
            assert asked == ["data"]
            front.server.update(cos_map={"data": two.entry(access_key=None, secret_key=None)})
            s3.put_object(Bucket="data", Key="k", Body=b"x")
            assert asked == ["data", "data"]

    def test_a_later_start_uses_it(self, serve: Any) -> None:
        with S3Double() as double:
            double.objects[b"/more/k"] = b"x"
            front: Front = serve({"data": double.entry()})
            front.server.update(cos_map={"more": double.entry()})
            front.server.stop()
            front.server.start()
            assert front.boto().head_object(Bucket="more", Key="k")
