from importlib.metadata import version
from pathlib import Path

from common import (
    ACCESS,
    BIN,
    BUCKET,
    CA,
    HOST,
    LARGE,
    REGION,
    SCHEME,
    SECRET,
    SMALL,
    VIRTUAL,
    local_files,
    passed,
    run,
    same,
)  # fmt: skip

Path("s3cmd.ini").write_text(
    f"[default]\naccess_key = {ACCESS}\nsecret_key = {SECRET}\nhost_base = {HOST}\n"
    f"host_bucket = {'%(bucket)s.' * VIRTUAL}{HOST}\n"
    f"bucket_location = {REGION}\nuse_https = {SCHEME == 'https'}\n"
    f"ca_certs_file = {CA}\nmultipart_chunk_size_mb = 5\n",
    encoding="utf-8",
)


def s3cmd(*arguments: str | Path) -> str:
    return run(BIN / "s3cmd", "--config", "s3cmd.ini", "--no-progress", *arguments)


folder, top = local_files(), f"s3://{BUCKET}/s3cmd/"
s3cmd("sync", f"{folder}/", top)
same(len(s3cmd("ls", "--recursive", top).splitlines()), 3, "a list")
s3cmd("get", "--force", f"{top}large.bin", "back.bin")
same(Path("back.bin").read_bytes(), LARGE, "a large file")
s3cmd("cp", f"{top}small.txt", f"{top}copy.txt")
s3cmd("mv", f"{top}copy.txt", f"{top}moved.txt")
s3cmd("get", "--force", f"{top}moved.txt", "back.txt")
same(Path("back.txt").read_bytes(), SMALL, "a moved file")
same("MD5 sum" in s3cmd("info", f"{top}small.txt"), True, "what is known of a file")
s3cmd("del", "--recursive", "--force", top)
same(s3cmd("ls", "--recursive", top), "", "after the removal")
passed(version("s3cmd"))
