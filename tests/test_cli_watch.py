"""`serve --watch`: a change of its files does what SIGHUP does, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from helpers import certificates as pki
from helpers.cli import runner, write_toml
from helpers.clients import Keys, refused
from helpers.double import S3Double
from helpers.fleet import key
from helpers.served import PAIR, Served
from helpers.valkey import valkey
from object_storage_proxy import _files
from object_storage_proxy.cli.watch import Watch

RELOADED, NOT_RELOADED = "the configuration was reloaded", "the configuration was not reloaded"
EVE = Keys("eve", "eve-secret")
BY_FILE = {"access_key": EVE.access, "secret_key": "${file:secret}"}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (folder := tmp_path / "here").mkdir()
    with ExitStack() as stack:
        yield Served(folder, stack)


def get(s3: Any) -> bytes:
    return bytes(s3.get_object(Bucket="data", Key="k")["Body"].read())


def replace(path: Path, text: str) -> None:
    """As editors and secret managers do."""
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


def test_each_file_counts(served: Served, double: S3Double) -> None:
    pairs = [{**PAIR, "secret_key": "${SECRET}"}]
    replace(served.folder / ".env", f"SECRET={PAIR['secret_key']}")
    served.configure(cos_map={"data": double.entry()}, hmac_keystore=pairs)
    served.start("--watch")
    served.up()
    assert get(served.boto()) == b"x"
    replace(served.folder / "secret", EVE.secret)
    served.configure(cos_map={"data": double.entry()}, hmac_keystore=[*pairs, BY_FILE])
    served.said(RELOADED)
    assert get(served.boto(EVE)) == b"x"
    replace(served.folder / "secret", "another")
    served.said(RELOADED, 2)
    assert get(served.boto(Keys(EVE.access, "another"))) == b"x"
    replace(served.folder / ".env", "SECRET=changed")
    served.said(RELOADED, 3)
    assert refused(served.boto().get_object, Bucket="data", Key="k").status == 403


def test_what_is_broken_is_told_once_and_changes_nothing(served: Served, double: S3Double) -> None:
    served.configure(cos_map={"data": double.entry()})
    served.start("--watch")
    served.up()
    served.configure(cos_map={"data": double.entry()}, hmac_keystore=[PAIR, BY_FILE])
    served.said("needs the file secret: No such file or directory")
    served.said(NOT_RELOADED)
    assert get(served.boto()) == b"x"
    replace(served.folder / "secret", EVE.secret)  # what was missing
    served.said(RELOADED)
    assert get(served.boto(EVE)) == b"x"
    assert served.child.output().count(NOT_RELOADED) == 1


def test_without_the_fleet_the_new_configuration_is_in_force(
    served: Served, double: S3Double, tmp_path: Path
) -> None:
    with valkey(tmp_path / "valkey") as state:
        shared = {"shared_state": state.url, "shared_keys": [key("k1", 1)]}
        served.configure(cos_map={"data": double.entry()}, **shared)
        served.start("--watch")
        served.up()
        state.stop()
        both = [PAIR, {"access_key": EVE.access, "secret_key": EVE.secret}]
        served.configure(cos_map={"data": double.entry()}, hmac_keystore=both, **shared)
        served.said("other replicas may still use what they remember")
        served.said(RELOADED)
        assert get(served.boto(EVE)) == b"x"
        assert NOT_RELOADED not in served.child.output()


def test_the_authorities_for_a_store(
    served: Served, tmp_path: Path, certificates: pki.Certificates
) -> None:
    other = pki.make(tmp_path / "other")
    ca = served.folder / "ca.pem"
    replace(ca, other.ca.read_text())
    with S3Double(certificates=certificates) as double:
        double.objects = {b"/data/k": b"x"}
        served.configure(cos_map={"data": double.entry(ca_file=str(ca))})
        served.start("--watch")
        served.up()
        assert refused(served.boto().get_object, Bucket="data", Key="k").status == 502
        replace(ca, certificates.ca.read_text())
        served.said(RELOADED)
        assert get(served.boto()) == b"x"


def test_kubernetes_replaces_a_configmap_behind_a_link(served: Served, double: S3Double) -> None:
    """All its files at once: they are links through ..data, which leads elsewhere then."""
    mounted = served.folder / "mounted"

    def project(version: str, **values: Any) -> None:
        (mounted / version).mkdir(parents=True)
        served.configure(cos_map={"data": double.entry()}, **values)
        (served.folder / "proxy.toml").replace(mounted / version / "proxy.toml")
        (mounted / "..data_tmp").symlink_to(version)
        (mounted / "..data_tmp").replace(mounted / "..data")

    project("..2026_11_26")
    (mounted / "proxy.toml").symlink_to("..data/proxy.toml")
    served.start("--watch", "--config", "mounted/proxy.toml")
    served.up()
    project("..2026_11_27", hmac_keystore=[{"access_key": EVE.access, "secret_key": EVE.secret}])
    served.said(RELOADED)
    assert get(served.boto(EVE)) == b"x"


def test_it_does_not_go_with_reload(tmp_path: Path) -> None:
    write_toml(tmp_path / "proxy.toml", {"http_port": 0, "cos_map": {}})
    done = runner(tmp_path)("serve", "--watch", "--reload")
    assert done.returncode == 2
    assert "argument --reload: not allowed with argument --watch" in done.stderr


class TestLooks:
    """Half of a file may be valid: it is read when it has rested."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        (path := tmp_path / "f").write_text("one")
        return path

    @pytest.fixture
    def watch(self, file: Path) -> Watch:
        self.time = 0.0
        watch = Watch(lambda: self.time)
        self.read(watch, file)
        return watch

    def read(self, watch: Watch, file: Path) -> None:
        with watch.reading(), open(file, opener=_files.regular):
            pass

    def look(self, watch: Watch) -> str | None:
        self.time += 2
        return watch.changed()

    def test_a_file_that_rests_is_told(self, watch: Watch, file: Path) -> None:
        assert [self.look(watch) for _ in range(3)] == [None] * 3
        file.write_text("another")
        assert [self.look(watch) for _ in range(3)] == [None, str(file), str(file)]
        self.read(watch, file)
        assert [self.look(watch) for _ in range(3)] == [None] * 3

    def test_a_file_that_is_being_written_is_not(self, watch: Watch, file: Path) -> None:
        for text in ("a", "an", "another"):
            file.write_text(text)
            assert self.look(watch) is None
        assert self.look(watch) == str(file)

    def test_a_change_between_its_reading_and_the_first_look(
        self, watch: Watch, file: Path
    ) -> None:
        with watch.reading():
            with open(file, opener=_files.regular):
                pass
            file.write_text("another")
        assert [self.look(watch) for _ in range(2)] == [None, str(file)]

    def test_a_reading_that_fails_leaves_the_others_watched(
        self, watch: Watch, file: Path, tmp_path: Path
    ) -> None:
        missing = tmp_path / "missing"
        with pytest.raises(FileNotFoundError):
            self.read(watch, missing)
        assert [self.look(watch) for _ in range(2)] == [None] * 2
        for path in (missing, file):
            path.write_text("here now")
            assert [self.look(watch) for _ in range(2)] == [None, str(path)]
            with pytest.raises(FileNotFoundError):
                self.read(watch, tmp_path / "other")

    def test_it_looks_once_a_second(self, watch: Watch, file: Path) -> None:
        self.look(watch)
        file.write_text("another")
        for _ in range(5):
            assert watch.changed() is None
        assert self.look(watch) is None
        assert self.look(watch) == str(file)
