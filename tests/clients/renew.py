"""Clients whose keys end in the middle of what they do: `renew.py CLIENT`.

They get an endpoint and keys by AWS's variables alone, and the bucket by S3_BUCKET. In the
middle they say so, and wait for a line.
"""

import os
import sys

BUCKET = os.environ["S3_BUCKET"]
HALF = b"x" * (6 << 20)  # more than a part
KEY = "uploaded"


def pause() -> None:
    print("half", flush=True)
    sys.stdin.readline()


def same(got: object, want: object) -> None:
    if got != want:
        sys.exit(f"got {got}, want {want}")


def obstore() -> None:
    import obstore
    from obstore.store import S3Store

    with obstore.open_writer(S3Store(BUCKET), KEY, buffer_size=5 << 20) as out:
        out.write(HALF)
        pause()
        out.write(HALF)


def pyarrow() -> None:
    from pyarrow import fs

    # S3FileSystem() does not read AWS_ENDPOINT_URL.
    s3, path = fs.FileSystem.from_uri(f"s3://{BUCKET}/{KEY}")
    with s3.open_output_stream(path) as out:
        out.write(HALF)
        pause()
        out.write(HALF)


def s3fs() -> None:
    import s3fs

    with s3fs.S3FileSystem().open(f"{BUCKET}/{KEY}", "wb", block_size=5 << 20) as out:
        out.write(HALF)
        pause()
        out.write(HALF)


def deltalake() -> None:
    import pyarrow as pa
    from deltalake import DeltaTable, write_deltalake

    where = f"s3://{BUCKET}/table"
    write_deltalake(where, pa.table({"k": [1]}))
    table = DeltaTable(where)
    pause()
    write_deltalake(table, pa.table({"k": [2]}), mode="append")
    same(sorted(DeltaTable(where).to_pyarrow_table()["k"].to_pylist()), [1, 2])


def duckdb() -> None:
    from ducks import connect

    # Of AWS's variables it reads those of keys, and renews keys once they are refused.
    db = connect()
    scheme, _, host = os.environ["AWS_ENDPOINT_URL"].partition("://")
    db.execute(
        "CREATE SECRET (TYPE s3, PROVIDER credential_chain, REFRESH auto, "
        f"ENDPOINT '{host}', URL_STYLE 'path', USE_SSL {scheme == 'https'})"
    )
    where = f"s3://{BUCKET}/rows"
    db.execute(f"COPY (SELECT unnest([1, 2]) AS k) TO '{where}-1.parquet'")
    pause()
    same(db.sql(f"SELECT sum(k) FROM '{where}-1.parquet'").fetchall(), [(3,)])
    db.execute(f"COPY (SELECT 4 AS k) TO '{where}-2.parquet'")
    same(db.sql(f"SELECT sum(k) FROM '{where}-*.parquet'").fetchall(), [(7,)])


def polars() -> None:
    # With boto3 it takes the access key, the secret key and the token one after another, and
    # boto3 renews keys of seconds in between.
    sys.modules["boto3"] = None
    import polars as pl

    where = f"s3://{BUCKET}/frame.parquet"
    frame = pl.DataFrame({"k": [1, 2]})
    frame.write_parquet(where)
    scan = pl.scan_parquet(where)
    same(scan.collect().equals(frame), True)
    pause()
    same(scan.select(pl.col("k").sum()).collect().item(), 3)


CLIENTS = {each.__name__: each for each in (obstore, pyarrow, s3fs, deltalake, duckdb, polars)}

if __name__ == "__main__":
    CLIENTS[sys.argv[1]]()
    sys.stdout.flush()
    os._exit(0)  # threads of deltalake's sometimes abort the interpreter as it ends
