// Package transport makes the HTTP transports of all clients: the API, S3 and
// OpenLineage. No connection outlives the context of its request, whatever the
// server does.
//
// net/http alone doesn't promise that. It hands the connection of an answer 101
// (Switching Protocols) to the caller, and no context ends the reading of that; and
// it reads answers 1xx before the real one for as long as they come. Here a 101 is
// an [*AnswerError], and so are more than 16 other answers 1xx.
//
// The system's proxies are used (HTTPS_PROXY, HTTP_PROXY, NO_PROXY). One that
// refuses to connect us is a [*ProxyError], which says what to do. No error holds
// a proxy's password.
//
// A linter keeps others from making an http.Client or http.Transport of their own.
package transport
