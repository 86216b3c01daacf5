// Package s3test gives tests a real S3 server, versitygw, and a proxy before it
// that breaks requests. `make s3-server` builds the server; without it the tests
// fail.
//
// The server keeps objects as files, so that a test can look at them, and damage
// them, without S3: see [Server.File].
//
// # Bounds
//
// A server takes about 40 MB. Server and proxy end with the test that started
// them, and the server ends with its process, whatever kills that.
package s3test
