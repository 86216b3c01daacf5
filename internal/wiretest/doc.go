// Package wiretest serves over HTTP/1.1 and HTTP/2 what no sound server sends, for
// tests: over a real connection, since much of what goes wrong there is decided by
// net/http.
//
// A [Server] gives each request to its test as an [Exchange], which answers it in
// parts: early answers, a whole one, a reset, a GOAWAY, silence. [Faults] are those
// that every client must outlive.
package wiretest
