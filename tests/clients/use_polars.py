import polars as pl
from common import ACCESS, BUCKET, BUCKET_ENDPOINT, REGION, SECRET, VIRTUAL, passed, same

at = {
    "aws_endpoint_url": BUCKET_ENDPOINT,
    "aws_virtual_hosted_style_request": str(VIRTUAL).lower(),
    "aws_region": REGION,
    "aws_access_key_id": ACCESS,
    "aws_secret_access_key": SECRET,
    "aws_allow_http": "true",
}
top = f"s3://{BUCKET}/polars"
frame = pl.DataFrame({"k": [1, 1, 2, 3], "v": ["a", "b", "c", "d"], "w": [0.5, 1.5, 2.5, 3.5]})
frame.write_parquet(f"{top}/one.parquet", storage_options=at)
same(pl.read_parquet(f"{top}/one.parquet", storage_options=at).equals(frame), True, "a frame")
lazy = pl.scan_parquet(f"{top}/*.parquet", storage_options=at)
same(lazy.filter(pl.col("k") == 1).select("v").collect()["v"].to_list(), ["a", "b"], "a scan")
lazy.with_columns(x=pl.col("w") * 2).sink_parquet(f"{top}/sunk.parquet", storage_options=at)
same(
    pl.scan_parquet(f"{top}/sunk.parquet", storage_options=at).collect()["x"].sum(), 16.0, "a sink"
)
frame.write_csv(f"{top}/one.csv", storage_options=at)
same(pl.scan_csv(f"{top}/one.csv", storage_options=at).collect().height, 4, "csv")
large = pl.DataFrame({"n": pl.int_range(2_000_000, eager=True)})
large.write_parquet(f"{top}/large/n.parquet", storage_options=at, compression="uncompressed")
total = pl.scan_parquet(f"{top}/large/", storage_options=at).select(pl.col("n").sum()).collect()
same(total.item(), 1999999000000, "a large scan")
frame.write_parquet(f"{top}/hive/", storage_options=at, partition_by=["k"])
hive = pl.scan_parquet(f"{top}/hive/", storage_options=at, hive_partitioning=True)
same(hive.filter(pl.col("k") == 2).collect()["v"].to_list(), ["c"], "hive partitions")
passed(pl.__version__)
