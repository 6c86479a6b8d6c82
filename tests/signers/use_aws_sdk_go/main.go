// Command use_aws_sdk_go does what users of the AWS SDK for Go v2 do, with its
// defaults; see tests/clients.
package main

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"osp/tests/signers/use"
)

var (
	ctx    = context.Background()
	bucket = aws.String(use.Bucket)
	odd    = aws.String(use.OddName)
	large  = use.Large()
)

func main() {
	client := s3.New(s3.Options{
		BaseEndpoint: &use.Endpoint, Region: use.Region, UsePathStyle: !use.Virtual,
		Credentials: credentials.NewStaticCredentialsProvider(use.Access, use.Secret, ""),
	})
	objects(client)
	parts(client)
	transfers(client)
	copies(client)
	conditions(client)
	urls(client)
	remove(client)
	use.Passed("github.com/aws/aws-sdk-go-v2/service/s3")
}

func objects(client *s3.Client) {
	_, err := client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: bucket, Key: odd, Body: bytes.NewReader(use.Small),
		ContentType: aws.String("text/x-test"), Metadata: map[string]string{"one": "1"},
	})
	use.Check(err, "put")
	got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: odd})
	use.Check(err, "get")
	use.SameBytes(all(got.Body), use.Small, "an object")
	use.Same(got.Metadata["one"], "1", "metadata")
	use.Same(*got.ContentType, "text/x-test", "the type")
	_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("empty")})
	use.Check(err, "put nothing")
	head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("empty")})
	use.Check(err, "head")
	use.Same(*head.ContentLength, 0, "the length of an empty object")
}

// parts is a multipart upload by hand.
func parts(client *s3.Client) {
	key := aws.String("parts")
	upload, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key})
	use.Check(err, "an upload")
	var done []types.CompletedPart
	for rest, n := large, int32(1); len(rest) > 0; n++ {
		piece := rest[:min(len(rest), 5<<20)]
		rest = rest[len(piece):]
		part, err := client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: bucket, Key: key, UploadId: upload.UploadId, PartNumber: &n, Body: bytes.NewReader(piece),
		})
		use.Check(err, "a part")
		done = append(done, types.CompletedPart{PartNumber: aws.Int32(n), ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32})
	}
	_, err = client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: bucket, Key: key, UploadId: upload.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	})
	use.Check(err, "a completion")
	got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, Range: aws.String("bytes=5242870-5242889")})
	use.Check(err, "a range")
	use.SameBytes(all(got.Body), large[5242870:5242890], "a range over two parts")
}

func transfers(client *s3.Client) {
	manager := transfermanager.New(client, func(o *transfermanager.Options) {
		o.PartSizeBytes, o.MultipartUploadThreshold = 5<<20, 5<<20
	})
	key := aws.String("transferred")
	_, err := manager.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: bucket, Key: key, Body: io.MultiReader(bytes.NewReader(large))})
	use.Check(err, "an upload of the transfer manager")
	got, err := manager.GetObject(ctx, &transfermanager.GetObjectInput{Bucket: bucket, Key: key})
	use.Check(err, "a download of the transfer manager")
	use.SameBytes(all(got.Body), large, "a download of the transfer manager")
}

func copies(client *s3.Client) {
	_, err := client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("copy"), CopySource: aws.String(use.Bucket + "/parts")})
	use.Check(err, "copy")
	head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("copy")})
	use.Check(err, "head")
	use.Same(*head.ContentLength, int64(len(large)), "the size of a copy")
}

func conditions(client *s3.Client) {
	_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: odd, Body: bytes.NewReader(use.Small), IfNoneMatch: aws.String("*")})
	use.Same(code(err), "PreconditionFailed", "a conditional put")
	_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: odd, IfMatch: aws.String(`"0"`)})
	use.Same(code(err), "PreconditionFailed", "a conditional get")
	_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("missing")})
	use.Same(code(err), "NoSuchKey", "a missing object")
}

func urls(client *s3.Client) {
	presign := s3.NewPresignClient(client)
	get, err := presign.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: odd})
	use.Check(err, "presign")
	use.SameBytes(use.Fetch(get.Method, get.URL, get.SignedHeader, nil), use.Small, "a presigned URL")
	put, err := presign.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("by url")})
	use.Check(err, "presign")
	use.Fetch(put.Method, put.URL, put.SignedHeader, use.Small)
}

func remove(client *s3.Client) {
	var keys []types.ObjectIdentifier
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: bucket, MaxKeys: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		use.Check(err, "list")
		for _, object := range page.Contents {
			keys = append(keys, types.ObjectIdentifier{Key: object.Key})
		}
	}
	use.Same(len(keys), 6, "a list")
	gone, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: keys}})
	use.Check(err, "removals")
	use.Same(len(gone.Deleted), 6, "removals")
}

func all(body io.Reader) []byte {
	got, err := io.ReadAll(body)
	use.Check(err, "a body")
	return got
}

// code is the Code of an S3 error; empty when there is none.
func code(err error) string {
	var refusal smithy.APIError
	if errors.As(err, &refusal) {
		return refusal.ErrorCode()
	}
	return ""
}
