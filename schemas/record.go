package schemas

import "time"

// Client is one client of the mirror, as the API gave it. The slices belong to
// whoever made the value; receivers borrow them.
type Client struct {
	ID          int64
	Row         []byte    // its object of /project/clients, JSON as received; nil: known by its feed alone
	Ordinal     int64     // place of Row in its answer, from 0
	FirstSeenAt time.Time // first listed to us
	GoneAt      time.Time // left the list; zero: live
	Feed        []byte    // its feed, a JSON array as received; nil: never read
	FeedAt      time.Time // when the feed was read; zero: never
}

// Campaign is one campaign's contacts in the mirror: the rows of all pages of
// its last whole answer, overlaps removed, as the API gave them.
type Campaign struct {
	ID   int64
	Rows [][]byte // objects of "data", JSON as received, in order
}

// Unlisted is an element of a client list that has no usable id, kept so that it
// can be shown as a reject.
type Unlisted struct {
	Ordinal int64  // place in its answer, from 0
	Raw     []byte // JSON as received
}

// ImportReject is a row of an imported file that was left out.
type ImportReject struct {
	Ordinal int64  // place in its file, from 0
	ID      string // in the CRM; empty: it has none
	Field   string // at fault; empty: the whole row
	Reason  Reason
	Raw     []byte // the row as JSON
}

// Reason says why an item or a field could not be used. It is text because the
// rejects table shows it as such.
type Reason string

// The reasons of rejects.
const (
	NotObject  Reason = "not_object"
	NoType     Reason = "no_type"
	NoID       Reason = "no_id"
	NoTime     Reason = "no_time"
	BadTime    Reason = "bad_time"
	BadValue   Reason = "bad_value"
	BadMoney   Reason = "bad_money"
	Duplicate  Reason = "duplicate"
	BadJSON    Reason = "bad_json"
	TooLarge   Reason = "too_large"
	APIRefused Reason = "api_refused"
)

// Reasons lists all reasons of rejects, in the order of the documentation.
func Reasons() []Reason {
	return []Reason{NotObject, NoType, NoID, NoTime, BadTime, BadValue, BadMoney, Duplicate, BadJSON, TooLarge, APIRefused}
}

// Source says which answer a reject stems from.
type Source string

// The sources of rejects.
const (
	SourceClients  Source = "clients"
	SourceFeed     Source = "feed"
	SourceCampaign Source = "campaign"
	SourceImport   Source = "import"
)

// MaxRaw is the most bytes of JSON that a reject keeps of its item.
const MaxRaw = 64 << 10
