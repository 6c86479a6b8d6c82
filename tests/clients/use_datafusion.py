import os

import datafusion
from common import ACCESS, BUCKET, BUCKET_ENDPOINT, REGION, SECRET, VIRTUAL, passed, same
from datafusion import SessionContext
from datafusion.object_store import AmazonS3

os.environ["AWS_VIRTUAL_HOSTED_STYLE_REQUEST"] = str(VIRTUAL).lower()
store = AmazonS3(
    bucket_name=BUCKET,
    region=REGION,
    access_key_id=ACCESS,
    secret_access_key=SECRET,
    endpoint=BUCKET_ENDPOINT,
    allow_http=True,
)
context = SessionContext()
context.register_object_store("s3://", store, None)
top = f"s3://{BUCKET}/datafusion"
frame = context.from_pydict({"k": [1, 1, 2, 3], "v": ["a", "b", "c", "d"]})
frame.write_parquet(f"{top}/one/")
context.register_parquet("one", f"{top}/one/")
grouped = context.sql("SELECT k, count(*) AS n FROM one GROUP BY k ORDER BY k").to_pydict()
same(grouped, {"k": [1, 2, 3], "n": [2, 1, 1]}, "a query")
context.sql("SELECT value AS n FROM generate_series(1, 3000000)").write_parquet(f"{top}/large/")
context.register_parquet("large", f"{top}/large/")
total = context.sql("SELECT sum(n) AS s FROM large WHERE n > 10").to_pydict()
same(total, {"s": [4500001499945]}, "a large query")
context.from_pydict({"a": [1, 2]}).write_csv(f"{top}/csv/", with_header=True)
context.register_csv("csv", f"{top}/csv/")
same(context.sql("SELECT sum(a) AS s FROM csv").to_pydict(), {"s": [3]}, "csv")
passed(datafusion.__version__)
