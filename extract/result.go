package extract

import (
	"fmt"
	"time"
)

// Reason says why a run made no new calls although there was something to ask.
type Reason string

// The reasons.
const (
	ByDeadline Reason = "deadline" // the deadline came, or would have before the next call
	ByBudget   Reason = "budget"   // the budget of feed calls is used up
	ByQuota    Reason = "quota"    // the hour is spent beyond the deadline, or for three hours
	ByFailures Reason = "failures" // many clients failed in a row
)

// Result says what a run did.
type Result struct {
	StartedAt, FinishedAt time.Time
	Stopped               Reason // "": the run did all there was to do

	Calls   Calls
	Clients Clients
	Feeds   Feeds

	FailedClients   []FailedClient // at most 10,000; Feeds.Failed counts them all
	FailedCampaigns []FailedCampaign
}

// Calls counts calls, repeated ones included.
type Calls struct {
	List, Feed, Campaign int64
	Retried              int64 // calls that repeated one
	Refused              int64 // calls that the API refused: by quota, by right, or the question itself
}

// Clients says what the list told.
type Clients struct {
	Listed   int64 // distinct ids
	Unlisted int64 // elements without a usable id
	Total    int64 // how many the API says there are
	Complete bool  // all of Total were listed
	Cut      bool  // the list was not read to its end
	New      int64 // that the mirror had not known
	Changed  int64 // whose row is another, or that came back
	Gone     int64 // that left, by the list or by their feed
}

// Feeds counts the feeds that were due: Due = Fetched + Failed + Left.
type Feeds struct {
	Due, Fetched, Failed, Left int64

	NeverFetched int64     // live clients whose feed was never read, after the run
	OldestAt     time.Time // when the oldest feed of a live client was read; zero: none was
}

// FailedClient is a client whose feed could not be read. The error's text is fit to be shown.
type FailedClient struct {
	ClientID int64
	Code     string
	Error    string
}

// FailedCampaign is a campaign whose former answer stays.
type FailedCampaign struct {
	ID    int64
	Code  string
	Error string
}

// listSlack is the share of the API's total that a list may lack without being
// called short: a total may count duplicates.
const listSlack = 0.001

// Short tells whether the list lacks more clients than a total that counts
// duplicates explains.
func (r *Result) Short() bool {
	lacks := r.Clients.Total - r.Clients.Listed - r.Clients.Unlisted
	return !r.Clients.Complete && (float64(lacks) > listSlack*float64(r.Clients.Total) || r.Clients.Total == 0)
}

// Incomplete says in sentences what is missing; empty if all that was due was fetched.
func (r *Result) Incomplete() (list []string) {
	switch {
	case r.Clients.Cut:
		list = append(list, fmt.Sprintf("the list was not read to its end: %d of %d clients came", r.Clients.Listed+r.Clients.Unlisted, r.Clients.Total))
	case r.Short():
		list = append(list, fmt.Sprintf("the list gave %d of %d clients", r.Clients.Listed+r.Clients.Unlisted, r.Clients.Total))
	}
	for _, c := range r.FailedCampaigns {
		list = append(list, fmt.Sprintf("campaign %d failed: %s", c.ID, c.Error))
	}
	if r.Feeds.Failed > 0 {
		list = append(list, fmt.Sprintf("%d clients failed", r.Feeds.Failed))
	}
	if r.Feeds.Left > 0 {
		list = append(list, fmt.Sprintf("%d feeds are left", r.Feeds.Left))
	}
	if r.Stopped != "" {
		list = append(list, r.Stopped.sentence())
	}
	return list
}

func (r Reason) sentence() string {
	switch r {
	case ByDeadline:
		return "the deadline came"
	case ByBudget:
		return "the budget is used up"
	case ByQuota:
		return "the quota is used up"
	default:
		return "too many clients failed in a row"
	}
}
