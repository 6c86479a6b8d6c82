"""The command: `./build.sh bench [quick]`."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import http.client
from contextlib import ExitStack
from pathlib import Path

from bench import contestants, load, nginx, processes
from bench.signing import sign
from bench.stores import BUCKET, Addresses
from helpers import certificates as pki
from helpers.wait import free_port

SIZES = {"1k": 1 << 10, "10m": 10 << 20}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir="/dev/shm"))
        )
        certificates = pki.make(folder / "pki")
        root = folder / "root" / BUCKET
        root.mkdir(parents=True)
        for name, size in SIZES.items():
            (root / name).write_bytes(b"x" * size)
        port = free_port()
        stack.enter_context(nginx.store(folder / "store", port, root.parent)).listening(port)
        stores = Addresses({BUCKET: port})
        running = []
        for name in contestants.NAMES:
            one = contestants.start(name, contestants.Way(), stores, certificates, folder / name)
            stack.callback(one.child.stop, 2)
            running.append(one)
        for size_name, size in SIZES.items():
            print(f"GET {size_name}, http, 32 connections", flush=True)
            results = {name: [] for name in contestants.NAMES}
            for _ in range(options.rounds):
                for one in running:
                    host = f"127.0.0.1:{one.http}"
                    request = sign("GET", host, f"/{BUCKET}/{size_name}", contestants.CLIENT)
                    file = folder / "request"
                    load.write_request(request, file)
                    connection = http.client.HTTPConnection(host, timeout=20)
                    connection.request("GET", request.path, headers=dict(request.headers))
                    answer = connection.getresponse()
                    body = answer.read()
                    assert answer.status == 200 and len(body) == size, (
                        one.name,
                        answer.status,
                        body[:500],
                        request.headers,
                    )
                    connection.close()
                    pids = processes.family(one.child.pid)
                    before = processes.cpu(pids)
                    seen = load.wrk(f"http://{host}", file, 32, options.seconds, folder)
                    used = processes.cpu(pids) - before
                    results[one.name].append((seen, used))
            for name, rounds in results.items():
                m = lambda f: statistics.median(f(s, c) for s, c in rounds)
                print(
                    f"  {name:9} {m(lambda s, c: s.rate):9.0f}/s  p50 {m(lambda s, c: s.p50):8.0f} us"
                    f"  p99 {m(lambda s, c: s.p99):8.0f} us  {m(lambda s, c: c / s.requests * 1e6):8.1f} us CPU/request"
                    f"  {m(lambda s, c: c / (s.requests * size / 2**30)):7.3f} s CPU/GiB"
                    f"  RSS {processes.memory(processes.family(next(r for r in running if r.name == name).child.pid)) >> 20} MiB",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
