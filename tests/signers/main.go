// Command signers sends one request as an S3 client of its language does it,
// so that the tests can look at what it signs.
//
//	signers CLIENT ENDPOINT BUCKET KEY ACTION
//
// CLIENT is minio-go or aws-sdk-go-v2; ACTION is put, get or presign. The
// object's content is read from standard input or written to standard output;
// the keys are in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/minio/minio-go/v7"
	miniocreds "github.com/minio/minio-go/v7/pkg/credentials"
)

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: signers CLIENT ENDPOINT BUCKET KEY ACTION")
		os.Exit(2)
	}
	run := map[string]func(endpoint, bucket, key, action string) error{"minio-go": runMinio, "aws-sdk-go-v2": runAWS}[os.Args[1]]
	if err := run(os.Args[2], os.Args[3], os.Args[4], os.Args[5]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runMinio(endpoint, bucket, key, action string) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return err
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds:  miniocreds.NewStaticV4(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
		Region: "us-east-1", BucketLookup: minio.BucketLookupPath,
		TrailingHeaders: true,
	})
	if err != nil {
		return err
	}
	ctx := context.Background()
	switch action {
	case "put":
		body, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		options := minio.PutObjectOptions{UserMetadata: map[string]string{"by": "minio-go"}, Checksum: minio.ChecksumCRC32C}
		_, err = client.PutObject(ctx, bucket, key, bytes.NewReader(body), int64(len(body)), options)
		return err
	case "get":
		object, err := client.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		_, err = io.Copy(os.Stdout, object)
		return err
	default:
		signed, err := client.PresignedGetObject(ctx, bucket, key, time.Hour, nil)
		if err == nil {
			fmt.Println(signed)
		}
		return err
	}
}

func runAWS(endpoint, bucket, key, action string) error {
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String(endpoint), Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
	})
	ctx := context.Background()
	switch action {
	case "put":
		body, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		_, err = client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &bucket, Key: &key, Body: bytes.NewReader(body), Metadata: map[string]string{"by": "aws-sdk-go-v2"},
		})
		return err
	case "get":
		object, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		if err != nil {
			return err
		}
		_, err = io.Copy(os.Stdout, object.Body)
		return err
	default:
		signed, err := s3.NewPresignClient(client).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		if err == nil {
			fmt.Println(signed.URL)
		}
		return err
	}
}
