"""What the contestants stand in front of, on 127.0.0.1.

Files for GET from nginx, a sink for PUT, both made not to be the bottleneck;
and one real store.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from helpers import stores as real
from helpers.children import Child
from helpers.ports import free_port

from bench import nginx
from bench.signing import Keys

KIT = Path(__file__).resolve().parents[2] / ".build" / "bench" / "kit"
FILES, SINK, REAL = "files", "sink", "real"  # the buckets
ANY = "any"  # a folder of FILES in which every name is there, with 1 KiB
_SHM = Path("/dev/shm")  # the real store's files are in memory, if there is such a place
SIZES = {"1 KiB": 1 << 10, "100 KiB": 100 << 10, "10 MiB": 10 << 20, "1 GiB": 1 << 30}


def object_name(size: int) -> str:
    return f"{size}-bytes"


@dataclass(frozen=True)
class Stores:
    """The port of each bucket's store, and the keys that the real one takes."""

    ports: Mapping[str, int]
    keys: Keys


@contextmanager
def start(folder: Path) -> Iterator[Stores]:
    """Starts all of them, with an object of each size to get."""
    root = folder / "root"
    (root / FILES).mkdir(parents=True)
    for size in SIZES.values():
        with (root / FILES / object_name(size)).open("wb") as file:
            file.truncate(size)
    with ExitStack() as stack:
        ports = {FILES: free_port()}
        files = nginx.store(
            folder / "files",
            ports[FILES],
            root,
            any_name=f"/{FILES}/{ANY}/",
            stands_for=f"/{FILES}/{object_name(SIZES['1 KiB'])}",
        )
        stack.enter_context(files).listening(ports[FILES])
        ports[SINK] = free_port()
        sink = Child([KIT, "sink", str(ports[SINK])], folder / "sink.log")
        stack.enter_context(sink).listening(ports[SINK])
        memory = tempfile.TemporaryDirectory(dir=_SHM if _SHM.is_dir() else folder)
        data = Path(stack.enter_context(memory))
        versity = stack.enter_context(real.versitygw(data))
        ports[REAL] = versity.port
        client = versity.client()
        client.create_bucket(Bucket=REAL)
        for size in (SIZES["1 KiB"], SIZES["10 MiB"]):
            client.put_object(Bucket=REAL, Key=object_name(size), Body=bytes(size))
        yield Stores(ports, Keys(versity.keys.access, versity.keys.secret))
