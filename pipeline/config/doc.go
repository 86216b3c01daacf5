// Package config reads pipelines.yaml: strictly, with every fault named by
// file, line and column, and with values that are ready to be used.
//
// The way of a file: the YAML text becomes nodes that know their places; the
// defaults are merged below each pipeline's own nodes (maps deeply, lists as a
// whole); a table of keys (keys.go) turns the merged nodes into typed values;
// checks across pipelines follow. All faults are reported together, in the
// order of their lines.
//
// Variables are put in after parsing. One that is not set is no fault of the
// file: its field stays empty and the fault waits for [Pipeline.Resolve] with
// a [Need] that covers the key, so that a command that asks nothing of the API
// works without the API key. Secrets are looked into and key files read at the
// same moment.
//
// Bounds: a file holds at most 256 KiB, at most 32 levels of brackets, lists of at
// most 10,000 entries and at most 1,000 pipelines; filters come to at most 64 KiB
// of JSON, a secret's file to at most 64 KiB; the first 1,000 faults are reported.
// With aliases and defaults put in, all pipelines come to at most 200,000 values,
// so memory stays under some 200,000 × 500 bytes + 1,000 × 64 KiB of filters.
package config
