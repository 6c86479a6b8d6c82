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
    local_files,
    passed,
    run,
    same,
)  # fmt: skip


def s5cmd(*arguments: str | Path) -> str:
    return run(
        BIN / "s5cmd", "--endpoint-url", ENDPOINT, *arguments,
        AWS_ACCESS_KEY_ID=ACCESS, AWS_SECRET_ACCESS_KEY=SECRET, AWS_REGION=REGION, AWS_CA_BUNDLE=CA,
    )  # fmt: skip


folder, top = local_files(), f"s3://{BUCKET}/s5cmd"
s5cmd("cp", "--part-size", "5", f"{folder}/", f"{top}/")
same(len(s5cmd("ls", f"{top}/*").splitlines()), 3, "a list")
s5cmd("cp", f"{top}/large.bin", "back.bin")
same(Path("back.bin").read_bytes(), LARGE, "a large file")
same(s5cmd("cat", f"{top}/small.txt"), SMALL.decode(), "a small file")
s5cmd("cp", f"{top}/small.txt", f"{top}/copy.txt")
s5cmd("mv", f"{top}/copy.txt", f"{top}/moved.txt")
s5cmd("sync", "--delete", f"{folder}/", f"{top}/")
same(len(s5cmd("ls", f"{top}/*").splitlines()), 3, "after the sync")
same("3" in s5cmd("du", f"{top}/*"), True, "a sum")
s5cmd("rm", f"{top}/*")
same(BUCKET in s5cmd("ls"), True, "the buckets")
passed(s5cmd("version").split("-")[0].removeprefix("v"))
