"""DuckDB with the extensions that S3 needs, which packages bring: none is fetched by DuckDB."""

from pathlib import Path

import duckdb
import duckdb_extension_aws
import duckdb_extension_httpfs


def connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for package in (duckdb_extension_httpfs, duckdb_extension_aws):
        (extension,) = Path(str(package.__file__)).parent.rglob("*.duckdb_extension")
        connection.load_extension(str(extension))
    return connection
