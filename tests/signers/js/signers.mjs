// Sends one request as the AWS SDK for JavaScript does it, so that the tests can
// look at what it signs.
//
//   node signers.mjs ENDPOINT BUCKET KEY ACTION
//
// ACTION is put, put-stream, get or presign. The object's content is read from
// standard input or written to standard output; the keys are in AWS_ACCESS_KEY_ID
// and AWS_SECRET_ACCESS_KEY.
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const [endpoint, bucket, key, action] = process.argv.slice(2);
const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, maxAttempts: 1 });
const object = { Bucket: bucket, Key: key };

if (action === "put" || action === "put-stream") {
  const body = readFileSync(0);
  const stream = action === "put-stream";
  await client.send(
    new PutObjectCommand({
      ...object,
      Body: stream ? Readable.from([body]) : body,
      ...(stream && { ContentLength: body.length }),
      Metadata: { by: "aws-sdk-js" },
    }),
  );
} else if (action === "get") {
  const answer = await client.send(new GetObjectCommand(object));
  process.stdout.write(await answer.Body.transformToByteArray());
} else {
  console.log(await getSignedUrl(client, new GetObjectCommand(object), { expiresIn: 3600 }));
}
