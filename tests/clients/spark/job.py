"""What Spark does with S3: `job.py batch`, `job.py stream` (until it is killed), `job.py check`,
`job.py between` with a second bucket, S3_OTHER.

See common.py for the environment; SPARK_JARS are the jars of hadoop-aws, SPARK_SETTINGS
more settings, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time

import pyspark
from common import ACCESS, BUCKET, ENDPOINT, REGION, SCHEME, SECRET, passed, same
from pyspark.errors import IllegalArgumentException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

TOP = f"s3a://{BUCKET}/spark"
CLOUD = "org.apache.spark.internal.io.cloud"
SETTINGS = {
    "spark.driver.extraClassPath": os.environ["SPARK_JARS"],
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.hadoop.fs.s3a.endpoint": ENDPOINT,
    "spark.hadoop.fs.s3a.endpoint.region": REGION,
    "spark.hadoop.fs.s3a.access.key": ACCESS,
    "spark.hadoop.fs.s3a.secret.key": SECRET,
    "spark.hadoop.fs.s3a.path.style.access": "true",
    "spark.hadoop.fs.s3a.connection.ssl.enabled": str(SCHEME == "https").lower(),
    "spark.hadoop.fs.s3a.multipart.size": "5M",
    "spark.hadoop.fs.s3a.multipart.threshold": "5M",
    "spark.hadoop.fs.s3a.aws.credentials.provider": (
        "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider"
    ),
    "spark.sql.sources.commitProtocolClass": f"{CLOUD}.PathOutputCommitProtocol",
    "spark.sql.parquet.output.committer.class": f"{CLOUD}.BindingParquetOutputCommitter",
    "spark.hadoop.mapreduce.outputcommitter.factory.scheme.s3a": (
        "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory"
    ),
    "spark.hadoop.fs.s3a.committer.staging.conflict-mode": "append",
    **json.loads(os.environ.get("SPARK_SETTINGS", "{}")),
}


def session() -> SparkSession:
    builder = SparkSession.builder.master("local[2]").appName("clients")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def batch() -> None:
    spark = session()
    rows = spark.range(0, 300_000).select(
        "id", (f.col("id") % 3).alias("third"), f.rand(1).alias("x")
    )
    for committer in ("magic", "directory"):
        where = f"{TOP}/{committer}"
        writer = rows.write.option("fs.s3a.committer.name", committer)
        spark.conf.set("spark.hadoop.fs.s3a.committer.name", committer)
        spark.sparkContext._jsc.hadoopConfiguration().set("fs.s3a.committer.name", committer)
        writer.partitionBy("third").mode("overwrite").parquet(where)
        back = spark.read.parquet(where)
        same(back.count(), 300_000, f"{committer}: rows")
        same(
            back.where("third = 1").agg(f.sum("id")).first()[0],
            14_999_950_000,
            f"{committer}: a sum",
        )
        rows.limit(10).write.partitionBy("third").mode("append").parquet(where)
        same(spark.read.parquet(where).count(), 300_010, f"{committer}: an append")
    passed(pyspark.__version__)


def numbers(spark: SparkSession) -> DataFrame:
    return (
        spark.readStream.format("rate-micro-batch")
        .option("rowsPerBatch", 200)
        .option("numPartitions", 2)
        .load()
    )


def start(spark: SparkSession) -> object:
    return (
        numbers(spark)
        .writeStream.format("parquet")
        .option("path", f"{TOP}/stream/data")
        .option("checkpointLocation", f"{TOP}/stream/checkpoint")
        .trigger(processingTime="0 seconds")
        .start()
    )


def stream(batches: int) -> None:
    """Writes that many batches more, and says so; then goes on until it is stopped."""
    query = start(session())
    begun = None
    while True:
        time.sleep(0.1)
        if query.exception():
            sys.exit(str(query.exception()))
        progress = query.lastProgress
        if progress:
            begun = progress["batchId"] if begun is None else begun
            if progress["batchId"] - begun >= batches:
                print(f"batch {progress['batchId']}", flush=True)
                return query


def check() -> None:
    """After a kill: goes on where it was, and every number is there exactly once."""
    query = stream(3)
    query.stop()
    spark = session()
    values = spark.read.parquet(f"{TOP}/stream/data").select("value")
    counted = values.agg(f.count("value"), f.countDistinct("value"), f.max("value")).first()
    same(counted[0], counted[1], "numbers, and different ones")
    same(counted[0], counted[2] + 1, "numbers, and the last one")
    passed(pyspark.__version__)


def between() -> None:
    """Renames in a bucket, by the committer that does; between two buckets Hadoop only copies."""
    spark = session()
    conf, hadoop = spark.sparkContext._jsc.hadoopConfiguration(), spark._jvm.org.apache.hadoop.fs
    conf.set("fs.s3a.committer.name", "file")
    conf.set("mapreduce.fileoutputcommitter.algorithm.version", "1")
    rows = spark.range(0, 300_000).select("id", f.rand(1).alias("x"))
    here, there = f"{TOP}/file", f"s3a://{os.environ['S3_OTHER']}/spark/file"
    rows.coalesce(1).write.parquet(here)
    same(spark.read.parquet(here).count(), 300_000, "what the committer renamed")

    (source, of), (target, to) = (
        (hadoop.Path(each), hadoop.Path(each).getFileSystem(conf)) for each in (here, there)
    )
    try:
        of.rename(source, target)
    except IllegalArgumentException as error:
        same("Wrong FS" in str(error), True, "why there is no rename to another bucket")
    else:
        sys.exit("a rename to another bucket")
    hadoop.FileUtil.copy(of, source, to, target, True, conf)
    same(of.exists(source), False, "what was moved")
    same(spark.read.parquet(there).count(), 300_000, "where it was moved to")
    passed(pyspark.__version__)


if __name__ == "__main__":
    if sys.argv[1] == "stream":
        stream(3).awaitTermination()
    {"batch": batch, "between": between, "check": check}[sys.argv[1]]()
