"""Two writes of Spark's, between which its keys end; see ../renew.py and job.py."""

import sys

from common import same
from job import TOP, session

spark = session()
rows = spark.range(0, 1000)
rows.write.parquet(f"{TOP}/renewed")
print("half", flush=True)
sys.stdin.readline()
rows.write.mode("append").parquet(f"{TOP}/renewed")
same(spark.read.parquet(f"{TOP}/renewed").count(), 2000, "rows")
