import pyarrow as pa
import pyarrow.dataset as ds
from common import (
    ACCESS,
    BUCKET,
    CA,
    HOST,
    LARGE,
    ODD_NAME,
    REGION,
    SCHEME,
    SECRET,
    SMALL,
    VIRTUAL,
    passed,
    same,
)  # fmt: skip
from pyarrow import fs

s3 = fs.S3FileSystem(
    access_key=ACCESS,
    secret_key=SECRET,
    endpoint_override=HOST,
    scheme=SCHEME,
    region=REGION,
    tls_ca_file_path=CA,
    force_virtual_addressing=VIRTUAL,
)
top = f"{BUCKET}/pyarrow"
for name, content in ((ODD_NAME, SMALL), ("large", LARGE), ("empty", b"")):
    with s3.open_output_stream(f"{top}/{name}") as out:
        out.write(content)
    with s3.open_input_stream(f"{top}/{name}") as source:
        same(source.read(), content, name)
with s3.open_input_file(f"{top}/large") as source:
    same(source.read_at(50, 1000), LARGE[1000:1050], "a range")
found = s3.get_file_info(fs.FileSelector(top, recursive=True))
same(sorted(f.base_name for f in found if f.is_file), ["empty", "large", "ü+&=%41.txt"], "files")
s3.copy_file(f"{top}/large", f"{top}/copy")
s3.move(f"{top}/copy", f"{top}/moved")
same(s3.get_file_info(f"{top}/moved").size, len(LARGE), "the size of a copy")
table = pa.table({"k": [1, 1, 2, 3], "v": ["a", "b", "c", "d"]})
ds.write_dataset(
    table, f"{top}/set", filesystem=s3, format="parquet", partitioning=["k"],
    partitioning_flavor="hive",
)  # fmt: skip
read = ds.dataset(f"{top}/set", filesystem=s3, format="parquet", partitioning="hive")
same(sorted(read.to_table(filter=ds.field("k") == 1)["v"].to_pylist()), ["a", "b"], "a filter")
s3.delete_dir(top)
same(s3.get_file_info(f"{top}/large").type, fs.FileType.NotFound, "after the removal")
passed(pa.__version__)
