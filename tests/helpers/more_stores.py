"""More S3 stores on 127.0.0.1, by makers of their own: `./build.sh test stores`.

Each has its own idea of what S3 is. tests/tools/bring.sh installs them, in the
versions that are pinned there.
"""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers.children import Child, clean_environment
from helpers.clients import Keys
from helpers.ports import free_port
from helpers.stores import PROGRAMS, REGION, Store
from helpers.wait import until

OWNER = Keys("store-owner", "store-owner-secret")


def version(*command: str | Path) -> str:
    """The first number like 1.2 or 1.2.3, after a space, colon or v, that a program prints."""
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
    found = re.search(r"(?:^|[\sv:])(\d+\.\d+(?:\.\d+)?)\b", done.stdout + done.stderr)
    assert found, f"{command} told no version: {done}"
    return found[1]


@contextmanager
def garage(folder: Path) -> Iterator[Store]:
    """Garage, a store that is made to run on many machines, on one."""
    program, port, rpc = PROGRAMS / "garage", free_port(), free_port()
    settings = folder / "garage.toml"
    settings.write_text(
        f'metadata_dir = "{folder / "meta"}"\n'
        f'data_dir = "{folder / "data"}"\n'
        'db_engine = "sqlite"\n'
        "replication_factor = 1\n"
        f'rpc_bind_addr = "127.0.0.1:{rpc}"\n'
        f'rpc_public_addr = "127.0.0.1:{rpc}"\n'
        f'rpc_secret = "{"05" * 32}"\n'
        "[s3_api]\n"
        f'api_bind_addr = "127.0.0.1:{port}"\n'
        f's3_region = "{REGION}"\n'
    )
    keys = Keys("GK" + "0a" * 12, "0b" * 32)  # the only form that Garage takes
    env = {
        "GARAGE_CONFIG_FILE": str(settings),
        "GARAGE_DEFAULT_ACCESS_KEY": keys.access,
        "GARAGE_DEFAULT_SECRET_KEY": keys.secret,
        "GARAGE_DEFAULT_BUCKET": "first",
    }
    serve = [program, "server", "--single-node", "--default-bucket"]
    with Child(serve, folder / "garage.log", env=env) as child:
        child.listening(port)
        store = Store("garage", port, child, keys=keys, version=version(program, "--version"))
        until(store.answers, "Garage, which listens before it has its layout", 30)
        subprocess.run(
            [program, "key", "allow", "--create-bucket", keys.access],
            env=clean_environment(**env),
            check=True,
            capture_output=True,
        )
        yield store


@contextmanager
def s3s_fs(folder: Path) -> Iterator[Store]:
    """s3s-fs, which shows what the Rust library s3s is for, on a plain folder."""
    program, port, data = PROGRAMS / "s3s-fs", free_port(), folder / "data"
    data.mkdir()
    serve = [program, "--host", "127.0.0.1", "--port", str(port)]
    serve += ["--access-key", OWNER.access, "--secret-key", OWNER.secret, data]
    with Child(serve, folder / "s3s-fs.log") as child:
        child.listening(port)
        yield Store("s3s-fs", port, child, version=version(program, "--version"))


@contextmanager
def rclone(folder: Path) -> Iterator[Store]:
    """rclone serve s3 on a plain folder: the program that is one of the clients, too."""
    program, port = PROGRAMS.parent / "clients" / "bin" / "rclone", free_port()
    data = folder / "data"
    data.mkdir()
    serve = [program, "serve", "s3", "--config", "", "--addr", f"127.0.0.1:{port}"]
    serve += ["--auth-key", f"{OWNER.access},{OWNER.secret}", data]
    with Child(serve, folder / "rclone.log") as child:
        child.listening(port)
        yield Store("rclone", port, child, version=version(program, "version"))


@contextmanager
def moto(folder: Path) -> Iterator[Store]:
    """moto's server, which keeps everything in memory and checks no signature."""
    programs, port = PROGRAMS / "moto" / "bin", free_port()
    serve = [programs / "moto_server", "--host", "127.0.0.1", "--port", str(port)]
    with Child(serve, folder / "moto.log") as child:
        child.listening(port)
        told = version(programs / "python", "-c", "import moto; print(moto.__version__)")
        yield Store("moto", port, child, version=told)


@contextmanager
def seaweedfs(folder: Path) -> Iterator[Store]:
    """SeaweedFS with a master, a volume, a filer and its S3 gateway in one process."""
    program, data = PROGRAMS / "seaweedfs", folder / "data"
    data.mkdir()
    identities = folder / "identities.json"
    credentials = [{"accessKey": OWNER.access, "secretKey": OWNER.secret}]
    owner = {"name": "owner", "credentials": credentials, "actions": ["Admin"]}
    identities.write_text(json.dumps({"identities": [owner]}))
    serve = [program, "-logtostderr", "server", "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1"]
    # Each bucket takes some volumes of its own.
    serve += ["-dir", data, "-volume.max", "5000", "-master.volumeSizeLimitMB", "64"]
    serve += ["-s3", "-s3.config", identities, "-master.telemetry=false"]
    serve += ["-s3.port.iceberg", "0", "-s3.port.lance", "0"]
    for name in ("filer", "s3"):
        serve += [f"-{name}.localSocket", folder / f"{name}.sock"]
    names = ("master", "volume", "filer", "s3")
    ports, grpc = ({name: free_port() for name in names} for _ in range(2))
    for name in names:
        serve += [f"-{name}.port", str(ports[name]), f"-{name}.port.grpc", str(grpc[name])]
    try:
        with Child(serve, folder / "seaweedfs.log", env={"HOME": str(folder)}) as child:
            child.listening(ports["s3"], 60)
            store = Store("seaweedfs", ports["s3"], child, version=version(program, "version"))
            until(store.answers, "SeaweedFS, which listens before its filer does", 60)
            yield store
    finally:  # it has more sockets, at places of its own, and leaves them there
        for port in (*ports.values(), *grpc.values()):
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                socket.unlink()


@contextmanager
def s3proxy(folder: Path) -> Iterator[Store]:
    """gaul's S3Proxy on a plain folder."""
    jar, port, data = PROGRAMS / "s3proxy.jar", free_port(), folder / "data"
    data.mkdir()
    settings = folder / "s3proxy.properties"
    settings.write_text(
        "s3proxy.authorization=aws-v4\n"
        f"s3proxy.endpoint=http://127.0.0.1:{port}\n"
        f"s3proxy.identity={OWNER.access}\n"
        f"s3proxy.credential={OWNER.secret}\n"
        "jclouds.provider=filesystem-nio2\n"
        f"jclouds.filesystem.basedir={data}\n"
    )
    serve = ["java", "-jar", jar, "--properties", settings]
    with Child(serve, folder / "s3proxy.log") as child:
        child.listening(port, 60)
        manifest = zipfile.ZipFile(jar).read("META-INF/MANIFEST.MF").decode()
        told = manifest.partition("Implementation-Version: ")[2].split()[0]
        yield Store("s3proxy", port, child, version=told)


MORE_STORES: dict[str, Callable[[Path], Any]] = {
    "garage": garage,
    "moto": moto,
    "rclone": rclone,
    "s3proxy": s3proxy,
    "s3s-fs": s3s_fs,
    "seaweedfs": seaweedfs,
}
