import os
import re
from pathlib import Path

from common import (
    ACCESS,
    BUCKET,
    ENDPOINT,
    LARGE,
    SECRET,
    SMALL,
    VIRTUAL,
    local_files,
    passed,
    run,
    same,
)  # fmt: skip

PROGRAM = os.environ["S3_MC"]


def mc(*arguments: str | Path) -> str:
    return run(PROGRAM, "--config-dir", "mc", "--quiet", "--no-color", *arguments)


folder, top = local_files(), f"s3/{BUCKET}/mc"
mc("alias", "set", "s3", ENDPOINT, ACCESS, SECRET, "--path", "off" if VIRTUAL else "on")
mc("mirror", folder, top)
same(len(mc("ls", "--recursive", top).splitlines()), 3, "a list")
mc("cp", f"{top}/large.bin", "back.bin")
same(Path("back.bin").read_bytes(), LARGE, "a large file")
same(mc("cat", f"{top}/small.txt"), SMALL.decode(), "a small file")
same(mc("cat", "--offset", "6", f"{top}/small.txt"), SMALL[6:].decode(), "a range")
mc("cp", "--attr", "one=1;Cache-Control=max-age=3", f"{top}/large.bin", f"{top}/copy.bin")
same("one" in mc("stat", f"{top}/copy.bin").lower(), True, "metadata")
mc("mv", f"{top}/copy.bin", f"{top}/moved.bin")
mc("tag", "set", f"{top}/moved.bin", "k=v")
same("k" in mc("tag", "list", f"{top}/moved.bin"), True, "tags")
same(len(mc("ls", "--recursive", top).splitlines()), 4, "one more")
(folder / "small.txt").write_bytes(b"changed")
mc("mirror", "--overwrite", "--remove", folder, top)
same(mc("cat", f"{top}/small.txt"), "changed", "what changed")
same(mc("find", top, "--name", "*.bin").split(), [f"{top}/large.bin"], "what is found")
same(BUCKET in mc("ls", "s3"), True, "the buckets")
mc("rm", "--recursive", "--force", top)
same(mc("ls", "--recursive", top), "", "after the removal")
# It has no tags that Go knows, so the date of its commit is its version.
built = re.search(r"mod\s+github.com/minio/mc\s+\S*-(\d{8})", run("go", "version", "-m", PROGRAM))
passed(built[1] if built else "")
