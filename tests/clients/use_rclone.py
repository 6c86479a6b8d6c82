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
    SMALL,
    VIRTUAL,
    local_files,
    passed,
    run,
    same,
)  # fmt: skip

CONFIG = {
    "TYPE": "s3",
    "PROVIDER": "Other",
    "ENDPOINT": ENDPOINT,
    "REGION": REGION,
    "ACCESS_KEY_ID": ACCESS,
    "SECRET_ACCESS_KEY": SECRET,
    "FORCE_PATH_STYLE": str(not VIRTUAL).lower(),
    "CHUNK_SIZE": "5Mi",
    "UPLOAD_CUTOFF": "6Mi",
}


def rclone(*arguments: str | Path) -> str:
    config = {f"RCLONE_CONFIG_S3_{name}": value for name, value in CONFIG.items()}
    return run(BIN / "rclone", "--ca-cert", CA, "--config", "", *arguments, **config)


folder, top = local_files(), f"s3:{BUCKET}/rclone"
rclone("copy", folder, top)
rclone("check", "--download", folder, top)
same(len(rclone("lsf", "--recursive", "--files-only", top).splitlines()), 3, "a list")
rclone("copyto", f"{top}/large.bin", "back.bin")
same(Path("back.bin").read_bytes(), LARGE, "a large file")
same(rclone("cat", "--offset", "6", f"{top}/small.txt"), SMALL[6:].decode(), "a range")
rclone("copyto", f"{top}/large.bin", f"{top}/copy.bin")  # by the server
rclone("moveto", f"{top}/copy.bin", f"{top}/moved.bin")
(folder / "small.txt").write_bytes(b"changed")
rclone("sync", folder, top)
rclone("check", folder, top)
rclone("touch", f"{top}/empty")
rclone("purge", top)
same(
    rclone("lsf", f"s3:{BUCKET}", "--include", "rclone/**", "--recursive"), "", "after the removal"
)
passed(rclone("version").splitlines()[0].removeprefix("rclone v"))
