"""Bodies that fit the operations which need one: right where S3 knows the subresource."""

from __future__ import annotations

import gzip
import io
import tarfile

_TAGS = b"<Tagging><TagSet><Tag><Key>new</Key><Value>tag</Value></Tag></TagSet></Tagging>"
_RETAIN = b"<Mode>GOVERNANCE</Mode><Days>1</Days>"

OF_BUCKETS: dict[str, bytes] = {
    "accelerate": b"<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>",
    "acl": (
        b"<AccessControlPolicy><Owner><ID>store-owner</ID></Owner><AccessControlList><Grant>"
        b'<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">'
        b"<ID>store-owner</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant>"
        b"</AccessControlList></AccessControlPolicy>"
    ),
    "cors": (
        b"<CORSConfiguration><CORSRule><AllowedMethod>PUT</AllowedMethod>"
        b"<AllowedOrigin>https://app.example</AllowedOrigin></CORSRule></CORSConfiguration>"
    ),
    "delete": b"<Delete><Object><Key>k</Key></Object></Delete>",
    "encryption": (
        b"<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>"
        b"<SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>"
        b"</ServerSideEncryptionConfiguration>"
    ),
    "lifecycle": (
        b"<LifecycleConfiguration><Rule><ID>old</ID><Status>Enabled</Status><Filter>"
        b"<Prefix>tmp/</Prefix></Filter><Expiration><Days>3</Days></Expiration></Rule>"
        b"</LifecycleConfiguration>"
    ),
    "logging": b"<BucketLoggingStatus/>",
    "notification": b"<NotificationConfiguration/>",
    "object-lock": (
        b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>"
        b"<DefaultRetention>" + _RETAIN + b"</DefaultRetention></Rule></ObjectLockConfiguration>"
    ),
    "ownershipControls": (
        b"<OwnershipControls><Rule><ObjectOwnership>BucketOwnerPreferred</ObjectOwnership></Rule>"
        b"</OwnershipControls>"
    ),
    "policy": (
        b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["*"]},'
        b'"Action":["s3:GetObject"],"Resource":["arn:aws:s3:::@bucket@/public/*"]}]}'
    ),
    "publicAccessBlock": (
        b"<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>"
        b"</PublicAccessBlockConfiguration>"
    ),
    "requestPayment": (
        b"<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>"
    ),
    "tagging": _TAGS,
    "versioning": b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
    "website": (
        b"<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument>"
        b"</WebsiteConfiguration>"
    ),
}
OF_OBJECTS: dict[str, bytes] = {
    "acl": OF_BUCKETS["acl"],
    "legal-hold": b"<LegalHold><Status>ON</Status></LegalHold>",
    "restore": b"<RestoreRequest><Days>1</Days></RestoreRequest>",
    "retention": (
        b"<Retention><Mode>GOVERNANCE</Mode>"
        b"<RetainUntilDate>2099-01-01T00:00:00Z</RetainUntilDate></Retention>"
    ),
    "select": (
        b"<SelectObjectContentRequest><Expression>select * from S3Object</Expression>"
        b"<ExpressionType>SQL</ExpressionType><InputSerialization><CSV/></InputSerialization>"
        b"<OutputSerialization><CSV/></OutputSerialization></SelectObjectContentRequest>"
    ),
    "tagging": _TAGS,
    "uploadId": (
        b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>@upload-part@</ETag></Part>"
        b"</CompleteMultipartUpload>"
    ),
}
# For a subresource that has no document here: it shows whether a store looks at it at all.
OTHER = b"<Other/>"


def tar(compressed: bool = False) -> bytes:
    """An archive with members that lead to places which its uploader may not write to."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in ("member", "secret/x", "secret/unpacked", "team/secret/x", "outside/x"):
            info = tarfile.TarInfo(name)
            info.size = 8
            archive.addfile(info, io.BytesIO(b"unpacked"))
    return gzip.compress(file.getvalue(), mtime=0) if compressed else file.getvalue()
