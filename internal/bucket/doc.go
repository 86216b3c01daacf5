// Package bucket is an S3 bucket, or a prefix in one, as the program uses it:
// whole objects put with their checksum, server-side copies, lists, and small
// objects that are put on a condition, from which a pointer and a lease are made.
//
// Endpoint, region, certificates and credentials come as the AWS SDKs have them:
// AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_REGION or AWS_DEFAULT_REGION,
// AWS_CA_BUNDLE; AWS_ACCESS_KEY_ID and its kin, AWS_WEB_IDENTITY_TOKEN_FILE,
// ~/.aws/credentials with AWS_PROFILE, the container's and the machine's role.
// Plain http is for loopback alone.
//
// # Conditions
//
// [Bucket.Swap] puts an object if it is absent, or if it still is the one that
// was read. Whatever is put so must hold something unique: a server tells equal
// content apart by nothing, and a pointer that went from A to B to A would look
// as if it had never moved. An answer that was lost is asked for, by reading the
// object back; an outcome that stays unknown is no failure, and [Unknown] tells
// it from one.
//
// # Errors and retries
//
// minio-go repeats what may pass, six times within about three seconds; nothing
// above it does. What is left is an [*Error]: [Refuses] tells what won't pass by
// itself, with its remedy.
//
// # Bounds
//
// An object of up to 16 MiB is put at once and checked by its SHA-256; a larger
// one in parts of 16 MiB, each checked by its MD5 and held in memory. Every
// request has a time limit that grows with its bytes. A small object that is
// read has at most 64 MiB.
package bucket
