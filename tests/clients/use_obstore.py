import obstore
from common import (
    ACCESS,
    BUCKET,
    BUCKET_ENDPOINT,
    LARGE,
    ODD_NAME,
    REGION,
    SECRET,
    SMALL,
    VIRTUAL,
    passed,
    same,
)
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import S3Store

store = S3Store(
    BUCKET,
    prefix="obstore",
    endpoint=BUCKET_ENDPOINT,
    region=REGION,
    access_key_id=ACCESS,
    secret_access_key=SECRET,
    virtual_hosted_style_request=VIRTUAL,
    client_options={"allow_http": True},
)
first = obstore.put(store, ODD_NAME, SMALL)
obstore.put(store, "large", LARGE, use_multipart=True, chunk_size=5 << 20)
obstore.put(store, "empty", b"")
same(bytes(obstore.get(store, ODD_NAME).bytes()), SMALL, "a small object")
same(bytes(obstore.get(store, "large").bytes()), LARGE, "a large object")
same(bytes(obstore.get_range(store, "large", start=7, end=77)), LARGE[7:77], "a range")
same(
    [
        bytes(r)
        for r in obstore.get_ranges(store, "large", starts=[0, 9_000_000], ends=[5, 9_000_005])
    ],
    [LARGE[:5], LARGE[9_000_000:9_000_005]],
    "two ranges",
)
same(
    sorted(o["path"] for o in obstore.list(store).collect()),
    sorted(["empty", "large", ODD_NAME]),
    "a list",
)
try:
    obstore.put(store, ODD_NAME, b"x", mode="create")
    raise SystemExit("a conditional put overwrote an object")
except AlreadyExistsError:
    pass
try:
    obstore.put(store, ODD_NAME, b"x", mode={"e_tag": '"0"'})
    raise SystemExit("a put on a wrong ETag succeeded")
except PreconditionError:
    pass
obstore.put(store, ODD_NAME, b"new", mode={"e_tag": first["e_tag"]})
obstore.copy(store, "large", "copy")
obstore.rename(store, "copy", "moved")
same(obstore.head(store, "moved")["size"], len(LARGE), "the size of a copy")
obstore.delete(store, ["empty", "large", "moved", ODD_NAME])
same(obstore.list(store).collect(), [], "after the removal")
passed(obstore.__version__)
