import duckdb
from common import (
    ACCESS,
    BUCKET,
    CA,
    HOST,
    LARGE,
    ODD_NAME,
    REGION,
    SCHEME,
    SECRET,
    VIRTUAL,
    passed,
    same,
)
from ducks import connect

TOP = f"s3://{BUCKET}/duck"
db = connect()
db.execute(f"SET ca_cert_file = '{CA}'")
db.execute("SET enable_server_cert_verification = true")
db.execute("SET s3_uploader_max_filesize = '50GB'")  # so that parts have 5 MiB
db.execute(
    f"CREATE SECRET (TYPE s3, KEY_ID '{ACCESS}', SECRET '{SECRET}', REGION '{REGION}', "
    f"ENDPOINT '{HOST}', URL_STYLE '{'vhost' if VIRTUAL else 'path'}', USE_SSL {SCHEME == 'https'})"
)


def first(query: str) -> object:
    row = db.sql(query).fetchone()
    return row and row[0]


def write(query: str, name: str, options: str = "") -> None:
    db.execute(f"COPY ({query}) TO '{TOP}/{name}' {options}")


rows = "SELECT range AS k, range % 3 AS third, hash(range) AS x FROM range(2_000_000)"
write(rows, "rows.parquet", "(COMPRESSION uncompressed)")
size = first(f"SELECT size FROM read_blob('{TOP}/rows.parquet')")
same(size > len(LARGE), True, "an object in parts")
same(first(f"SELECT sum(k) FROM '{TOP}/rows.parquet' WHERE k < 1000"), 499_500, "some row groups")
same(first(f"SELECT count(DISTINCT x) FROM '{TOP}/rows.parquet'"), 2_000_000, "all of it")

write(f"FROM '{TOP}/rows.parquet' LIMIT 300", "hive", "(FORMAT parquet, PARTITION_BY third)")
same(first(f"SELECT count(*) FROM '{TOP}/hive/*/*.parquet' WHERE third = 1"), 100, "a partition")
same(first(f"SELECT count(*) FROM glob('{TOP}/hive/**')"), 3, "what a pattern names")
write(
    f"FROM '{TOP}/hive/*/*.parquet' LIMIT 0",
    "hive",
    "(FORMAT parquet, PARTITION_BY third, OVERWRITE)",
)
same(first(f"SELECT count(*) FROM glob('{TOP}/hive/**')"), 0, "what an overwrite left")

write("SELECT 'hello ü' AS word", f"{ODD_NAME}.csv")
same(first(f"SELECT word FROM read_csv('{TOP}/{ODD_NAME}.csv')"), "hello ü", "a CSV file")
write("SELECT 1 AS k", "one.json.gz", "(FORMAT json, COMPRESSION gzip)")
same(first(f"SELECT k FROM '{TOP}/one.json.gz'"), 1, "JSON")
passed(duckdb.__version__)
