// A client as its users write it, with the SDK's defaults; see tests/clients/common.py.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import {
  CompleteMultipartUploadCommand, CopyObjectCommand, CreateMultipartUploadCommand, DeleteObjectsCommand, GetObjectCommand,
  HeadObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client, UploadPartCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const { S3_ENDPOINT, S3_ACCESS, S3_SECRET, S3_BUCKET: Bucket, S3_ADDRESSING } = process.env;
const s3 = new S3Client({
  endpoint: S3_ENDPOINT, region: "us-east-1", forcePathStyle: S3_ADDRESSING !== "virtual",
  credentials: { accessKeyId: S3_ACCESS, secretAccessKey: S3_SECRET },
});

function same(got, want, what) {
  if (got !== want) throw new Error(`${what}: got ${String(got).slice(0, 200)}, want ${String(want).slice(0, 200)}`);
}
const sum = (bytes) => createHash("sha256").update(bytes).digest("hex");

const Key = "a b/ü+&=%41.txt";
const large = Buffer.alloc(11_000_000, "0123456789abcdef");
await s3.send(new PutObjectCommand({ Bucket, Key, Body: "hello", ContentType: "text/plain", Metadata: { a: "b" } }));
const got = await s3.send(new GetObjectCommand({ Bucket, Key }));
same(await got.Body.transformToString(), "hello", "an object");
same(got.Metadata.a, "b", "metadata");

const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: "large" }));
const Parts = [];
for (let at = 0, PartNumber = 1; at < large.length; at += 5 << 20, PartNumber++) {
  const Body = large.subarray(at, at + (5 << 20));
  const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key: "large", UploadId, PartNumber, Body }));
  Parts.push({ ETag, PartNumber });
}
await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key: "large", UploadId, MultipartUpload: { Parts } }));
const whole = await (await s3.send(new GetObjectCommand({ Bucket, Key: "large" }))).Body.transformToByteArray();
same(sum(whole), sum(large), "a large object");
const range = await s3.send(new GetObjectCommand({ Bucket, Key: "large", Range: "bytes=5-24" }));
same(await range.Body.transformToString(), large.subarray(5, 25).toString(), "a range");

await s3.send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource: `${Bucket}/large` }));
same((await s3.send(new HeadObjectCommand({ Bucket, Key: "copy" }))).ContentLength, large.length, "the size of a copy");
const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key }), { expiresIn: 60 });
same(await (await fetch(url)).text(), "hello", "a presigned URL");
const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket }));
same(Contents.map((o) => o.Key).join(), [Key, "copy", "large"].join(), "a list");
const { Deleted } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: Contents.map(({ Key }) => ({ Key })) } }));
same(Deleted.length, 3, "removals");
console.log("passed " + createRequire(import.meta.url)("@aws-sdk/client-s3/package.json").version);
