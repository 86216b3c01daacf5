package pipeline

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"roistat-etl/extract/api"
	"roistat-etl/internal/untrusted"
)

// unquoted is the report as it is kept: without what the API said, which may name
// persons. Codes stay, and what we say.
func (r *Report) unquoted() *Report {
	kept := *r
	kept.rewrite(api.Unquote)
	return &kept
}

// rewrite changes the texts of a report, which it doesn't share with others afterwards.
func (r *Report) rewrite(change func(string) string) {
	r.Reasons, r.FailedClients = slices.Clone(r.Reasons), slices.Clone(r.FailedClients)
	for i := range r.Reasons {
		r.Reasons[i] = change(r.Reasons[i])
	}
	for i := range r.FailedClients {
		r.FailedClients[i].Error = change(r.FailedClients[i].Error)
	}
	if r.Error != nil {
		text := change(*r.Error)
		r.Error = &text
	}
}

// maxError is the most characters of an error or reason in a report. Errors of
// several destinations are told together.
const maxError = 4000

// oneLine gives a text of a report as one line: nothing in it can pass for another.
func oneLine(text string) string { return untrusted.Line(text, maxError) }

// spoken finds in reports of older programs, which kept what the API said, a code
// with its status or one of the API's own, and what follows.
var spoken = regexp.MustCompile(`\b([a-z][a-z0-9_]* \(HTTP \d+\)|campaign \d+ failed: [a-z][a-z0-9_]*|[a-z]+_(?:failed|denied|limit_error|error)|option_not_[a-z]+|incorrect_[a-z_]+|insufficient_funds|project_frozen|resource_not_found): .*`)

// ownCodes are those whose words are ours.
var ownCodes = regexp.MustCompile(`\b(?:network|timeout|too_large|redirect|bad_json|short)(?: \(HTTP \d+\))?: `)

// redact lets a kept report name nobody: neither by what the API said, as older
// programs kept it, nor by a text in which a forgotten client is found.
func redact(report string, names func(string) bool) (string, error) {
	if report == "" { // of a run that has only begun
		return "", nil
	}
	kept := storedReport{Report: &Report{}}
	if err := json.Unmarshal([]byte(report), &kept); err != nil {
		return "{}", nil //nolint:nilerr // it says nothing to anybody, and an erasure must not fail for it
	}
	kept.rewrite(func(text string) string { return redactText(text, names) })
	var document any = kept
	if kept.Details == nil { // as destinations have it
		document = kept.Report
	}
	text, err := json.Marshal(document)
	if err != nil {
		return "", fmt.Errorf("write the report: %w", err)
	}
	return string(text), nil
}

func redactText(text string, names func(string) bool) string {
	text = api.Unquote(text)
	if !ownCodes.MatchString(text) {
		text = spoken.ReplaceAllString(text, "$1")
	}
	if names(text) {
		return "a text that named somebody who was forgotten; it was erased"
	}
	return strings.TrimSpace(text)
}
