"""Copies and moves between two buckets, which are perhaps at two stores, by the server."""

import os
from pathlib import Path

from common import (
    ACCESS,
    BIN,
    BUCKET,
    CA,
    ENDPOINT,
    LARGE,
    REGION,
    SECRET,
    local_files,
    passed,
    run,
    same,
)

CONFIG = {
    "TYPE": "s3",
    "PROVIDER": "Other",
    "ENDPOINT": ENDPOINT,
    "REGION": REGION,
    "ACCESS_KEY_ID": ACCESS,
    "SECRET_ACCESS_KEY": SECRET,
    "FORCE_PATH_STYLE": "true",
    "COPY_CUTOFF": "6Mi",  # larger ones are copied in parts
    "CHUNK_SIZE": "5Mi",
}


def rclone(*arguments: str | Path) -> str:
    config = {f"RCLONE_CONFIG_S3_{name}": value for name, value in CONFIG.items()}
    return run(BIN / "rclone", "--ca-cert", CA, "--config", "", *arguments, **config)


folder = local_files()
here, there = f"s3:{BUCKET}/between", f"s3:{os.environ['S3_OTHER']}/between"
rclone("copy", folder, here)
rclone("sync", here, there)
rclone("check", "--download", here, there)
rclone("moveto", f"{there}/large.bin", f"{here}/moved.bin")
rclone("copyto", f"{here}/moved.bin", "back.bin")
same(Path("back.bin").read_bytes(), LARGE, "what has gone there and back")
for top in (here, there):
    rclone("purge", top)
passed(rclone("version").splitlines()[0].removeprefix("rclone v"))
