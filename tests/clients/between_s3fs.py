"""Copies and moves between two buckets, which are perhaps at two stores."""

import os

import s3fs
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
    passed,
    same,
)

fs = s3fs.S3FileSystem(
    key=ACCESS,
    secret=SECRET,
    endpoint_url=ENDPOINT,
    client_kwargs={"region_name": REGION, "verify": CA},
    config_kwargs={"s3": {"addressing_style": "path"}},
)
here, there = f"{BUCKET}/between", f"{os.environ['S3_OTHER']}/between"
fs.pipe(f"{here}/{ODD_NAME}", SMALL)
fs.pipe(f"{here}/large", LARGE)
fs.copy(f"{here}/{ODD_NAME}", f"{there}/{ODD_NAME}")
same(fs.cat(f"{there}/{ODD_NAME}"), SMALL, "a small copy")
fs.copy(f"{here}/large", f"{there}/large")
same(fs.cat(f"{there}/large"), LARGE, "a large copy")
fs.mv(f"{there}/large", f"{here}/moved")
same((fs.exists(f"{there}/large"), fs.info(f"{here}/moved")["size"]), (False, len(LARGE)), "moved")
for top in (here, there):
    fs.rm(top, recursive=True)
passed(s3fs.__version__)
