import datetime
import os
import sys

import icechunk
import numpy as np
import zarr
from common import ACCESS, BUCKET, ENDPOINT, REGION, SECRET, VIRTUAL, passed, same

storage = icechunk.s3_storage(
    bucket=BUCKET,
    prefix="ice",
    region=REGION,
    endpoint_url=ENDPOINT,
    allow_http=True,
    force_path_style=not VIRTUAL,
    access_key_id=ACCESS,
    secret_access_key=SECRET,
)


def write(session: icechunk.Session, chunk: int, value: int) -> None:
    zarr.open_array(session.store, path="a")[chunk * 100 : chunk * 100 + 100] = value


def chunks(of: icechunk.Repository, **at: str) -> list[int]:
    array = zarr.open_array(of.readonly_session(**at).store, path="a", mode="r")
    return [int(number) for number in np.asarray(array[::100])]


config = icechunk.RepositoryConfig(inline_chunk_threshold_bytes=0)  # chunks are objects
repo = icechunk.Repository.create(storage, config)
session = repo.writable_session("main")
zarr.create_array(session.store, name="a", shape=(400,), chunks=(100,), dtype="i8", fill_value=0)
session.commit("an array")

# Who commits second finds that the branch has moved, and rebases.
one, two, three = (repo.writable_session("main") for _ in range(3))
write(one, 1, 1)
write(two, 2, 2)
write(three, 1, 3)
tagged = one.commit("one")
repo.create_tag("v1", snapshot_id=tagged)
try:
    two.commit("two")
except icechunk.ConflictError:
    two.commit("two", rebase_with=icechunk.ConflictDetector())
else:
    same("committed", "a conflict", "the second of two writers")
try:
    three.commit("three", rebase_with=icechunk.ConflictDetector())
except icechunk.RebaseFailedError:
    three.discard_changes()
else:
    same("committed", "a conflict", "two writers of a chunk")
same(chunks(repo, branch="main"), [0, 1, 2, 0], "two commits")
same(chunks(icechunk.Repository.open(storage), tag="v1"), [0, 1, 0, 0], "a tag")

repo.create_branch("other", snapshot_id=tagged)
repo.reset_branch("main", tagged)
same(chunks(repo, branch="main"), [0, 1, 0, 0], "a branch that was set back")
# Stores tell in whole seconds how old an object is.
soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
same(repo.garbage_collect(soon).chunks_deleted, 2, "chunks of nobody's")
same(chunks(repo, branch="other"), [0, 1, 0, 0], "what is left")
passed(icechunk.__version__)
# Its threads may still run when the interpreter ends, and then bring the process down.
sys.stdout.flush()
os._exit(0)
