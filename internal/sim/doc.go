// Package sim is a stand-in for the Roistat API: an [http.Handler] that answers
// the four methods this project speaks, with the habits of the real service and
// with faults on demand. What it tells comes from package world and shares no
// code with the product, so that the two can't be wrong together.
//
// A call goes through one pipeline (call.go): method, key and project; quota;
// latency; faults; the method itself; delivery. Time is plain time.Now and
// sleeping ends with the request's context, so the handler runs in process
// under testing/synctest; it starts no goroutines ([Server.Warm] apart, which
// waits for its own).
//
// Memory: 8 B × clients listed and 4 B × clients for the counters of feed
// calls; 24 B × quota; the world's own; up to maxImported bytes of imports; and
// with Options.Cache every feed and row once rendered (about 6.5 KB a client,
// and 1 KB more with gzip).
package sim
