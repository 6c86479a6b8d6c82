import io
from importlib.metadata import version

import urllib3
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
from minio import Minio
from minio.commonconfig import ComposeSource, CopySource
from minio.deleteobjects import DeleteObject

http = urllib3.PoolManager(ca_certs=CA)
client = Minio(HOST, ACCESS, SECRET, secure=SCHEME == "https", region=REGION, http_client=http)
if VIRTUAL:
    client.enable_virtual_style_endpoint()


def read(key: str, **what: int) -> bytes:
    answer = client.get_object(BUCKET, key, **what)
    try:
        return answer.read()
    finally:
        answer.close()
        answer.release_conn()


for name, content in ((ODD_NAME, SMALL), ("large", LARGE), ("empty", b"")):
    client.put_object(
        BUCKET, f"minio/{name}", io.BytesIO(content), len(content), part_size=5 << 20,
        metadata={"one": "1"},
    )  # fmt: skip
    same(read(f"minio/{name}"), content, name)
same(read("minio/large", offset=5, length=10), LARGE[5:15], "a range")
same(client.stat_object(BUCKET, "minio/large").metadata["x-amz-meta-one"], "1", "metadata")
client.copy_object(BUCKET, "minio/copy", CopySource(BUCKET, f"minio/{ODD_NAME}"))
client.compose_object(
    BUCKET,
    "minio/both",
    [ComposeSource(BUCKET, "minio/large"), ComposeSource(BUCKET, "minio/copy")],
)
same(read("minio/both"), LARGE + SMALL, "a composed object")
url = client.presigned_get_object(BUCKET, f"minio/{ODD_NAME}")
same(http.request("GET", url).data, SMALL, "a presigned URL")
url = client.presigned_put_object(BUCKET, "minio/by url")
same(http.request("PUT", url, body=SMALL).status, 200, "a presigned upload")
names = [o.object_name for o in client.list_objects(BUCKET, "minio/", recursive=True)]
same(len(names), 6, "a list")
same(list(client.remove_objects(BUCKET, [DeleteObject(n) for n in names])), [], "removals")
same(list(client.list_objects(BUCKET, "minio/", recursive=True)), [], "after the removal")
passed(version("minio"))
