// Package watch tells those who look after the runs how they went: as a metrics
// file for Prometheus, as OpenLineage events, and as a page with pictures.
//
// It adds nothing to a run and decides nothing about it. Its input is
// [pipeline.Report] with its Details, and [pipeline.Status].
package watch
