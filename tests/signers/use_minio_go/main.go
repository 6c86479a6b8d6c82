// Command use_minio_go does what users of minio-go do; see tests/clients.
package main

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/tags"

	"osp/tests/signers/use"
)

var (
	ctx    = context.Background()
	bucket = use.Bucket
	large  = use.Large()
)

func main() {
	host, tls := use.Host()
	lookup := minio.BucketLookupPath
	if use.Virtual {
		lookup = minio.BucketLookupDNS
	}
	client, err := minio.New(host, &minio.Options{
		Creds:  credentials.NewStaticV4(use.Access, use.Secret, ""),
		Secure: tls, Region: use.Region, BucketLookup: lookup,
	})
	use.Check(err, "a client")
	found, err := client.BucketExists(ctx, bucket)
	use.Check(err, "the bucket")
	use.Same(found, true, "the bucket")

	put(client)
	copies(client)
	urls(client)
	remove(client)
	use.Passed("github.com/minio/minio-go/v7")
}

func put(client *minio.Client) {
	for name, body := range map[string][]byte{use.OddName: use.Small, "large": large, "empty": nil} {
		_, err := client.PutObject(ctx, bucket, name, bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{
			PartSize: 5 << 20, ContentType: "text/x-test", UserMetadata: map[string]string{"one": "1"},
		})
		use.Check(err, "put "+name)
		use.SameBytes(read(client, name, minio.GetObjectOptions{}), body, name)
	}
	// What has no known length goes in parts, too.
	_, err := client.PutObject(ctx, bucket, "stream", io.MultiReader(bytes.NewReader(large)), -1, minio.PutObjectOptions{PartSize: 5 << 20})
	use.Check(err, "put a stream")
	info, err := client.StatObject(ctx, bucket, "stream", minio.StatObjectOptions{})
	use.Check(err, "stat")
	use.Same(info.Size, int64(len(large)), "the size of a stream")

	info, err = client.StatObject(ctx, bucket, "large", minio.StatObjectOptions{})
	use.Check(err, "stat")
	use.Same(info.UserMetadata["One"], "1", "metadata")
	use.Same(info.ContentType, "text/x-test", "the type")
	var ranged minio.GetObjectOptions
	use.Check(ranged.SetRange(5, 14), "a range")
	use.SameBytes(read(client, "large", ranged), large[5:15], "a range")

	var once minio.PutObjectOptions
	once.SetMatchETagExcept("*")
	_, err = client.PutObject(ctx, bucket, "large", bytes.NewReader(use.Small), int64(len(use.Small)), once)
	use.Same(minio.ToErrorResponse(err).Code, "PreconditionFailed", "a conditional put")
}

func copies(client *minio.Client) {
	_, err := client.CopyObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "copy"}, minio.CopySrcOptions{Bucket: bucket, Object: use.OddName})
	use.Check(err, "copy")
	sources := []minio.CopySrcOptions{{Bucket: bucket, Object: "large"}, {Bucket: bucket, Object: "copy"}}
	_, err = client.ComposeObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "both"}, sources...)
	use.Check(err, "compose")
	use.SameBytes(read(client, "both", minio.GetObjectOptions{}), append(bytes.Clone(large), use.Small...), "a composed object")

	label, err := tags.NewTags(map[string]string{"k": "v w"}, true)
	use.Check(err, "tags")
	use.Check(client.PutObjectTagging(ctx, bucket, "copy", label, minio.PutObjectTaggingOptions{}), "tags")
	got, err := client.GetObjectTagging(ctx, bucket, "copy", minio.GetObjectTaggingOptions{})
	use.Check(err, "tags")
	use.Same(got.ToMap()["k"], "v w", "tags")
}

func urls(client *minio.Client) {
	at, err := client.PresignedGetObject(ctx, bucket, use.OddName, time.Hour, nil)
	use.Check(err, "presign")
	use.SameBytes(use.Fetch("GET", at.String(), nil, nil), use.Small, "a presigned URL")
	at, err = client.PresignedPutObject(ctx, bucket, "by url", time.Hour)
	use.Check(err, "presign")
	use.Fetch("PUT", at.String(), nil, use.Small)
	use.SameBytes(read(client, "by url", minio.GetObjectOptions{}), use.Small, "a presigned upload")
}

func remove(client *minio.Client) {
	seen := map[string]bool{}
	objects := make(chan minio.ObjectInfo, 16)
	for object := range client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true, MaxKeys: 3}) {
		use.Check(object.Err, "list")
		seen[object.Key] = true
		objects <- object
	}
	close(objects)
	use.Same(len(seen), 7, "a list")
	use.Same(seen[use.OddName], true, "an odd name in a list")
	for failed := range client.RemoveObjects(ctx, bucket, objects, minio.RemoveObjectsOptions{}) {
		use.Check(failed.Err, "removals")
	}
	for object := range client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true}) {
		use.Same(object.Key, "", "after the removal")
	}
}

func read(client *minio.Client, key string, options minio.GetObjectOptions) []byte {
	object, err := client.GetObject(ctx, bucket, key, options)
	use.Check(err, key)
	defer object.Close()
	body, err := io.ReadAll(object)
	use.Check(err, key)
	return body
}
