// Package api asks the Roistat API for lists of clients, feeds and campaign
// contacts, and sends it clients.
//
// A question is one HTTP request; the package never repeats one and knows no
// quota. What went wrong is classified here, once, as an [*Error] with a [Kind]:
// callers decide by kind and never read texts or status codes.
//
// An answer counts as success only if its whole body is one JSON document whose
// status is success and that holds the field asked for. JSON nested deeper than
// 10,000 levels is no JSON.
//
// The key travels in a header, on no redirect, and is replaced by *** wherever
// an answer echoes it, in errors and in what is handed on.
//
// A call holds its answer's body, inflated, and nothing that grows faster: at
// most 1 MiB, and one call at a time of the client up to 1.4 Options.MaxResponse
// bytes, from the reading to [Feed.Release]. A list of more than 250,000 elements,
// or an element of more than 4 MiB, is too_large: what becomes of it holds it many
// times over.
package api
