from importlib.metadata import version
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
    STYLE,
    local_files,
    passed,
    run,
    same,
)  # fmt: skip


def aws(*arguments: str | Path) -> str:
    return run(
        BIN / "aws", "--endpoint-url", ENDPOINT, "--ca-bundle", CA, *arguments,
        AWS_ACCESS_KEY_ID=ACCESS, AWS_SECRET_ACCESS_KEY=SECRET, AWS_DEFAULT_REGION=REGION,
        AWS_CONFIG_FILE="config",
    )  # fmt: skip


Path("config").write_text(f"[default]\ns3 =\n  addressing_style = {STYLE}\n", encoding="utf-8")
folder, top = local_files(), f"s3://{BUCKET}/cli/"
aws("s3", "sync", folder, top)
same(len(aws("s3", "ls", "--recursive", top).splitlines()), 3, "a list")
aws("s3", "cp", f"{top}large.bin", "back.bin")
same(Path("back.bin").read_bytes(), LARGE, "a large file")
aws("s3", "mv", f"{top}small.txt", f"{top}moved.txt")
same(aws("s3", "sync", "--dryrun", top, top), "", "nothing to sync")
aws("s3api", "head-object", "--bucket", BUCKET, "--key", "cli/moved.txt")
aws("s3", "rm", "--recursive", top)
same(
    aws("s3api", "list-objects-v2", "--bucket", BUCKET, "--query", "Contents").strip(),
    "null",
    "after",
)
passed(version("awscli"))
