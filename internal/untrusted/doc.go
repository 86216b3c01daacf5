// Package untrusted makes texts that others wrote fit to be kept and shown: what
// a server answers with, what stands in a file, what a person typed at Roistat.
//
// Such a text may hold line breaks that forge lines of a report, escapes that
// move a terminal's cursor, marks that turn the direction of reading, megabytes,
// and our own secrets, echoed in some spelling. [Line] and [Lines] make it
// harmless for people, [JSON] does without changing what it says to programs,
// and [Secrets] finds secrets in any spelling. An error of a server or of a file
// passes through [Secrets.Error] where it is made, so that nobody after has to
// think of it.
package untrusted
