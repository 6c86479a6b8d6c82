import io

import boto3
import botocore.config
from boto3.s3.transfer import TransferConfig
from common import (
    ACCESS,
    BUCKET,
    CA,
    ENDPOINT,
    LARGE,
    ODD_NAME,
    REGION,
    SECRET,
    SMALL,
    STYLE,
    passed,
    same,
)

s3 = boto3.client(
    "s3",
    endpoint_url=ENDPOINT,
    aws_access_key_id=ACCESS,
    aws_secret_access_key=SECRET,
    region_name=REGION,
    verify=CA,
    config=botocore.config.Config(s3={"addressing_style": STYLE}),
)
parts = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
s3.put_object(
    Bucket=BUCKET, Key=ODD_NAME, Body=SMALL, ContentType="text/plain", Metadata={"a": "b"}
)
s3.upload_fileobj(io.BytesIO(LARGE), BUCKET, "large", Config=parts)
got = s3.get_object(Bucket=BUCKET, Key=ODD_NAME)
same(
    (got["Body"].read(), got["ContentType"], got["Metadata"]),
    (SMALL, "text/plain", {"a": "b"}),
    "one",
)
back = io.BytesIO()
s3.download_fileobj(BUCKET, "large", back, Config=parts)
same(back.getvalue(), LARGE, "a large object")
s3.copy({"Bucket": BUCKET, "Key": "large"}, BUCKET, "copy", Config=parts)
pages = s3.get_paginator("list_objects_v2").paginate(
    Bucket=BUCKET, PaginationConfig={"PageSize": 1}
)
keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
same(sorted(keys), sorted(["copy", "large", ODD_NAME]), "a list")
s3.put_object_tagging(Bucket=BUCKET, Key="copy", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
same(
    s3.get_object_tagging(Bucket=BUCKET, Key="copy")["TagSet"], [{"Key": "k", "Value": "v"}], "tags"
)
gone = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys]})
same(len(gone["Deleted"]), 3, "removals")
passed(boto3.__version__)
