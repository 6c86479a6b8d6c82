"""SIGHUP to `serve`: whatever it finds, what served a moment ago goes on."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from conftest import CLIENT
from helpers.cli import Run, mistaken, runner, write_toml
from helpers.clients import Keys, refused
from helpers.double import S3Double
from helpers.served import PAIR, Served
from helpers.wait import until

RELOADED, NOT_RELOADED = "the configuration was reloaded", "the configuration was not reloaded"
RULES = """
import os
def may(token, bucket):
    return os.environ["MODE"] == "open"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The working directory; the log is outside of it."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def served(folder: Path) -> Iterator[Served]:
    with ExitStack() as stack:
        yield Served(folder, stack)


@pytest.fixture
def run(folder: Path) -> Run:
    return runner(folder)


def get(s3: Any) -> bytes:
    return bytes(s3.get_object(Bucket="data", Key="k")["Body"].read())


def appended(text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "proxy.toml"
        path.write_text(path.read_text() + text)

    return change


def replaced(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def looped(name: str) -> Callable[[Path], None]:
    """A file that can't be opened, also by root."""

    def change(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(name)

    return change


def piped(name: str) -> Callable[[Path], None]:
    """A file that waits for who writes into it."""

    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return change


def with_a_secret_in_a_pipe(folder: Path) -> None:
    piped("pipe")(folder)
    appended('server_name = "${file:pipe}"\n')(folder)


def with_authorities_in_a_pipe(folder: Path) -> None:
    piped("pipe")(folder)
    entry = {"host": "h", "port": 1, "ca_file": str(folder / "pipe")}
    write_toml(folder / "proxy.toml", {"http_port": 0, "cos_map": {"data": entry}})


def a_directory(folder: Path) -> None:
    (folder / "proxy.toml").unlink()
    (folder / "proxy.toml").mkdir()


def validator(code: str) -> Callable[[Path], None]:
    """Another module, which nobody has imported yet."""

    def change(folder: Path) -> None:
        (folder / f"rules{abs(hash(code))}.py").write_text(code)
        path = folder / "proxy.toml"
        path.write_text(path.read_text().replace("rules:may", f"rules{abs(hash(code))}:may"))

    return change


# What is wrong, and a part of what the log says of it.
BREAKS: dict[str, tuple[Callable[[Path], None], str]] = {
    ".env is not UTF-8": (replaced(".env", b"MODE=\xff\n"), ".env: is not UTF-8"),
    ".env can't be read": (looped(".env"), ".env: can't be read: "),
    ".env is a FIFO": (piped(".env"), ".env: can't be read: Not a regular file"),
    ".env holds a zero byte": (replaced(".env", b"MODE=a\0b\n"), ".env: contains a zero byte"),
    ".env has an impossible name": (
        replaced(".env", b"MODE=closed\n'a=b'=c\n"),
        ".env: has a name or a value that the environment can't have",
    ),
    ".env has vanished": (
        lambda folder: (folder / ".env").unlink(),
        "needs the environment variable SECRET",
    ),
    "it has vanished": (
        lambda folder: (folder / "proxy.toml").unlink(),
        "proxy.toml: No such file or directory",
    ),
    "it can't be read": (looped("proxy.toml"), "proxy.toml: "),
    "it is a FIFO": (piped("proxy.toml"), "proxy.toml: Not a regular file"),
    "it is too long": (
        lambda folder: os.truncate(folder / "proxy.toml", 1 << 30),
        "proxy.toml: File too large",
    ),
    "it is a directory": (a_directory, "proxy.toml: Is a directory"),
    "it is empty": (replaced("proxy.toml", b"http_port = 0"), "cos_map: is required"),
    "it is not UTF-8": (replaced("proxy.toml", b"host = '\xff'"), "proxy.toml: is not UTF-8"),
    "it holds a zero byte": (appended("a = '\0'"), "proxy.toml: is not TOML"),
    "it is not TOML": (appended("[x"), "proxy.toml: is not TOML"),
    "a number is huge": (
        appended(f"threads = 1{'0' * 5000}\n"),
        "proxy.toml: has a number with too many digits",
    ),
    "a number in base 16 is huge": (
        appended(f"threads = 0x1{'0' * 5000}\n"),
        "threads: must be a smaller number",
    ),
    "lists are nested too deeply": (
        appended(f"threads = {'[' * 5000}{']' * 5000}\n"),
        "proxy.toml: is nested too deeply",
    ),
    "tables are nested too deeply": (
        appended(f"threads{'.a' * 5000} = 1\n"),
        "proxy.toml: is nested too deeply",
    ),
    "a key has very many parts": (
        appended(f"threads{'.a' * 20000} = 1\n"),
        "proxy.toml: is nested too deeply",
    ),
    "a quoted key has very many parts": (
        appended("threads = {a" + " . 'b'" * 20000 + " = 1}\n"),
        "proxy.toml: is nested too deeply",
    ),
    "lists are nested somewhat too deeply": (
        appended(f"threads = {'[' * 100}{']' * 100}\n"),
        "threads: is nested too deeply",
    ),
    "a reference names no possible file": (
        appended('server_name = "${file:a\\u0000b}"\n'),
        "needs a file whose name is impossible",
    ),
    "a reference names a directory": (
        appended('server_name = "${file:.}"\n'),
        "needs the file .: Is a directory",
    ),
    "a reference names a FIFO": (
        with_a_secret_in_a_pipe,
        "needs the file pipe: Not a regular file",
    ),
    "authorities are a FIFO": (with_authorities_in_a_pipe, "not a regular file"),
    "a module exits": (validator("raise SystemExit(3)"), "SystemExit: 3"),
    "a module is interrupted": (validator("raise KeyboardInterrupt"), "KeyboardInterrupt"),
    "a module is no Python": (validator("def may(:"), "invalid syntax"),
    "a module has no end": (validator("def f(): f()\nf()"), "RecursionError"),
    "a module's error can't be told": (
        validator("class E(Exception):\n    def __str__(self): raise SystemExit\nraise E"),
        "E",
    ),
    "a module exits when it is looked into": (
        validator("def __getattr__(name): raise SystemExit"),
        "SystemExit",
    ),
}


def test_what_can_not_be_read_changes_nothing(served: Served, double: S3Double) -> None:
    pair = {"access_key": CLIENT.access, "secret_key": "${SECRET}"}
    entry = {**double.entry(), "ttl": 0}

    def right() -> None:
        for path in (served.folder / ".env", served.folder / "proxy.toml"):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        (served.folder / ".env").write_text(f"SECRET={CLIENT.secret}\nMODE=open\n")
        served.configure(cos_map={"data": entry}, hmac_keystore=[pair], validator="rules:may")

    right()
    (served.folder / "rules.py").write_text(RULES)
    served.start(PYTHONDONTWRITEBYTECODE="1")
    served.up()
    served.said("serving")
    for times, (what, (change, told)) in enumerate(BREAKS.items(), 1):
        before = len(served.child.output())
        right()
        change(served.folder)
        served.child.process.send_signal(signal.SIGHUP)
        until(
            lambda before=before: NOT_RELOADED in served.child.output()[before:],
            f"the log when {what}: {served.child.output()[before:]}",
        )
        said = served.child.output()[before:]
        assert told in said, (what, said)
        assert len(said.splitlines()) <= 2, (what, said)
        assert get(served.boto()) == b"x", what
        assert times == served.child.output().count(NOT_RELOADED)
    right()
    served.child.process.send_signal(signal.SIGHUP)
    served.said(RELOADED)
    assert get(served.boto()) == b"x"
    served.child.process.send_signal(signal.SIGTERM)
    assert served.ended() == 0, served.child.output()
    assert "Traceback" not in served.child.output()


def test_no_buckets_any_more_are_a_configuration_too(served: Served, double: S3Double) -> None:
    served.configure(cos_map={"data": double.entry()})
    served.start()
    served.up()
    served.configure(cos_map={})
    served.child.process.send_signal(signal.SIGHUP)
    served.said(RELOADED)
    assert refused(served.boto().get_object, Bucket="data", Key="k").code == "NoSuchBucket"
    served.configure(cos_map={"data": double.entry()}, hmac_keystore=[])
    served.child.process.send_signal(signal.SIGHUP)
    served.said(RELOADED, 2)
    assert refused(served.boto().get_object, Bucket="data", Key="k").code == "InvalidAccessKeyId"


@pytest.mark.parametrize("outside", [False, True])
def test_a_working_directory_that_is_gone(
    served: Served, double: S3Double, tmp_path: Path, outside: bool
) -> None:
    """With the configuration in it nothing changes; one elsewhere is read as ever."""
    served.configure(cos_map={"data": double.entry()})
    elsewhere = tmp_path / "elsewhere.toml"
    shutil.copy(served.folder / "proxy.toml", elsewhere)
    served.start(*(["--config", str(elsewhere)] if outside else []))
    served.up()
    shutil.rmtree(served.folder)
    if outside:
        text = elsewhere.read_text()
        elsewhere.write_text(text.replace(CLIENT.access, "eve"))
    served.child.process.send_signal(signal.SIGHUP)
    served.said(RELOADED if outside else NOT_RELOADED)
    assert get(served.boto(Keys("eve", CLIENT.secret) if outside else CLIENT)) == b"x"
    served.child.process.send_signal(signal.SIGTERM)
    assert served.ended() == 0, served.child.output()
    assert "Traceback" not in served.child.output()


def test_logging_that_fails_ends_nothing(served: Served, double: S3Double) -> None:
    """Modules of the configuration can change what becomes of the log's lines."""
    (served.folder / "rules.py").write_text("""
import logging
class Filter(logging.Filter):
    def filter(self, record):
        raise SystemExit
logging.getLogger("object_storage_proxy").addFilter(Filter())
def may(token, bucket): return True
""")
    served.configure(cos_map={"data": double.entry()}, validator="rules:may")
    served.start()
    served.up()
    for keys in ([], [PAIR], [{}]):
        served.configure(
            cos_map={"data": double.entry()}, validator="rules:may", hmac_keystore=keys
        )
        served.child.process.send_signal(signal.SIGHUP)
        if keys == []:
            until(lambda: "InvalidAccessKeyId" in str(attempt(served)), "the key is gone")
        else:
            until(lambda: attempt(served) == b"x", "the key counts")
    served.child.process.send_signal(signal.SIGTERM)
    assert served.ended() == 0, served.child.output()


def attempt(served: Served) -> object:
    try:
        return get(served.boto())
    except Exception as error:
        return error


@pytest.mark.parametrize(
    "what", [w for w in BREAKS if "module" not in w and "nested somewhat" not in w]
)
def test_each_is_a_mistake_at_the_start_too(run: Run, folder: Path, what: str) -> None:
    pair = {**PAIR, "secret_key": "${SECRET}"}
    (folder / ".env").write_text("SECRET=s\nMODE=open\n")
    served = Served(folder, ExitStack())
    served.configure(cos_map={}, hmac_keystore=[pair])
    change, told = BREAKS[what]
    change(folder)
    if what == "it has vanished":
        told = "there is no proxy.toml here"
    for command in ("check-config", "serve"):
        assert any(told in line for line in mistaken(run(command))), what


def test_a_folder_env_is_no_file(run: Run, folder: Path) -> None:
    """Some keep their virtual environment there."""
    (folder / ".env").mkdir()
    Served(folder, ExitStack()).configure(cos_map={})
    assert run("check-config").returncode == 0


def test_start_server_tells_of_a_dotenv_file_that_it_can_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import object_storage_proxy as osp

    monkeypatch.chdir(folder)
    for content in (b"\xff", b"A=\0", b"'a=b'=c\n"):
        (folder / ".env").write_bytes(content)
        with pytest.raises(osp.ConfigError, match=r"^\.env: "):
            osp.start_server(osp.ProxyServerConfig({}, http_port=0))
    (folder / ".env").unlink()
    os.rmdir(folder)  # then there is none, and the configuration is what is wrong
    with pytest.raises(osp.ConfigError, match=r"^http_port: is required"):
        osp.start_server(osp.ProxyServerConfig({}))
