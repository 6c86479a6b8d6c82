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
    STYLE,
    passed,
    same,
)

fs = s3fs.S3FileSystem(
    key=ACCESS,
    secret=SECRET,
    endpoint_url=ENDPOINT,
    client_kwargs={"region_name": REGION, "verify": CA},
    config_kwargs={"s3": {"addressing_style": STYLE}},
)
top = f"{BUCKET}/s3fs"
fs.pipe(f"{top}/{ODD_NAME}", SMALL)
with fs.open(f"{top}/large", "wb", block_size=5 << 20) as out:
    for at in range(0, len(LARGE), 1 << 20):
        out.write(LARGE[at : at + (1 << 20)])
same(fs.cat(f"{top}/{ODD_NAME}"), SMALL, "a small file")
same(fs.cat(f"{top}/large"), LARGE, "a large file")
same(fs.cat_file(f"{top}/large", start=100, end=200), LARGE[100:200], "a range")
with fs.open(f"{top}/large", "rb") as source:
    source.seek(-10, 2)
    same(source.read(), LARGE[-10:], "the end")
same(sorted(fs.find(top)), sorted([f"{top}/{ODD_NAME}", f"{top}/large"]), "what is there")
fs.copy(f"{top}/large", f"{top}/copy")
fs.mv(f"{top}/copy", f"{top}/moved")
same(fs.info(f"{top}/moved")["size"], len(LARGE), "the size of a copy")
fs.touch(f"{top}/empty")
same(fs.cat(f"{top}/empty"), b"", "an empty file")
fs.rm(top, recursive=True)
fs.invalidate_cache()
same(fs.exists(f"{top}/large"), False, "after the removal")
passed(s3fs.__version__)
