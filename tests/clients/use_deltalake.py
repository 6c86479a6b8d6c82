import os
import sys

import deltalake
import pyarrow as pa
from common import ACCESS, BUCKET, BUCKET_ENDPOINT, REGION, SECRET, VIRTUAL, passed, same
from deltalake import DeltaTable, write_deltalake

at = {
    "AWS_ENDPOINT_URL": BUCKET_ENDPOINT,
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": str(VIRTUAL).lower(),
    "AWS_REGION": REGION,
    "AWS_ACCESS_KEY_ID": ACCESS,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_ALLOW_HTTP": "true",
    "aws_conditional_put": "etag",
}
where = f"s3://{BUCKET}/delta/table"


def rows(*keys: int) -> pa.Table:
    return pa.table({"k": pa.array(keys, pa.int64()), "v": [str(k) for k in keys]})


def keys() -> list[int]:
    found = DeltaTable(where, storage_options=at).to_pyarrow_table()["k"].to_pylist()
    return sorted(found)


write_deltalake(where, rows(1, 2, 3), storage_options=at)
for k in (4, 5):
    write_deltalake(where, rows(k), mode="append", storage_options=at)
same(keys(), [1, 2, 3, 4, 5], "appends")
DeltaTable(where, storage_options=at).delete("k = 2")
source = pa.table({"k": pa.array([3, 9], pa.int64()), "v": ["three", "nine"]})
DeltaTable(where, storage_options=at).merge(
    source, "s.k = t.k", source_alias="s", target_alias="t"
).when_matched_update_all().when_not_matched_insert_all().execute()
same(keys(), [1, 3, 4, 5, 9], "a merge")
old, new = DeltaTable(where, storage_options=at), DeltaTable(where, storage_options=at)
write_deltalake(old, rows(10), mode="append")
write_deltalake(new, rows(11), mode="append")  # finds its version taken, and takes the next
same(keys(), [1, 3, 4, 5, 9, 10, 11], "two writers")
table = DeltaTable(where, storage_options=at)
table.optimize.compact()
table.create_checkpoint()
same(len(table.vacuum(0, dry_run=False, enforce_retention_duration=False)) > 0, True, "a vacuum")
same(keys(), [1, 3, 4, 5, 9, 10, 11], "after the vacuum")
write_deltalake(where, rows(7), mode="overwrite", storage_options=at)
same(keys(), [7], "an overwrite")
passed(deltalake.__version__)
# Threads of its own sometimes abort the interpreter as it ends; all is done by now.
sys.stdout.flush()
os._exit(0)
