module osp

go 1.26

require github.com/hashicorp/golang-lru/v2 v2.0.7

require (
	github.com/aws/aws-sdk-go-v2 v1.48.0
	github.com/minio/crc64nvme v1.1.1
)

require (
	github.com/aws/smithy-go v1.28.9 // indirect
	github.com/klauspost/cpuid/v2 v2.2.9 // indirect
	golang.org/x/sys v0.28.0 // indirect
)
