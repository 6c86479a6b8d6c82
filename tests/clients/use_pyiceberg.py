import pyarrow as pa
import pyiceberg
from common import ACCESS, BUCKET, ENDPOINT, REGION, SECRET, VIRTUAL, passed, same
from pyiceberg.catalog.sql import SqlCatalog

catalog = SqlCatalog(
    "local",
    uri="sqlite:///catalog.db",
    warehouse=f"s3://{BUCKET}/iceberg",
    **{
        "s3.endpoint": ENDPOINT,
        "s3.region": REGION,
        "s3.access-key-id": ACCESS,
        "s3.secret-access-key": SECRET,
        "s3.force-virtual-addressing": VIRTUAL,
    },
)
catalog.create_namespace("n")
schema = pa.schema([("k", pa.int64()), ("v", pa.string())])


def rows(*keys: int) -> pa.Table:
    return pa.table({"k": pa.array(keys, pa.int64()), "v": [str(k) for k in keys]}, schema=schema)


table = catalog.create_table("n.t", schema=schema)
table.append(rows(1, 2, 3))
table.append(rows(4))
same(sorted(table.scan().to_arrow()["k"].to_pylist()), [1, 2, 3, 4], "appends")
same(table.scan(row_filter="k > 2").to_arrow().num_rows, 2, "a filter")
table.delete("k = 1")
table.upsert(rows(4, 5), join_cols=["k"])
same(sorted(table.scan().to_arrow()["k"].to_pylist()), [2, 3, 4, 5], "an upsert")
first = table.snapshots()[0].snapshot_id
same(table.scan(snapshot_id=first).to_arrow().num_rows, 3, "time travel")
table.overwrite(rows(7))
same(catalog.load_table("n.t").scan().to_arrow()["k"].to_pylist(), [7], "an overwrite")
catalog.drop_table("n.t")
passed(pyiceberg.__version__)
