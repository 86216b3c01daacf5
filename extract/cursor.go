package extract

// The overlap of two pages: a tenth of the rows received, at most so many.
const maxOverlap = 50

// maxBack is how many steps back in a row look for the lost thread.
const maxBack = 3

// cursor walks through a list that shifts while it is read. A page repeats the
// end of the page before it; one that holds nothing of that page has lost the
// thread, because more rows than the overlap have vanished, and the cursor steps
// back by a page.
type cursor struct {
	Offset  int64 `json:"offset"`  // of the page to ask for
	Overlap int64 `json:"overlap"` // rows of the last page that it should repeat
	Step    int64 `json:"step"`    // rows of the last page
	Back    int64 `json:"back"`    // steps back in a row
	Torn    bool  `json:"torn"`    // a thread stayed lost: rows may be missing
}

// advance moves on from a page of n rows. False means that the page has lost the
// thread: the next one is compared with the same page as this one was.
func (c *cursor) advance(n int64, linked bool) bool {
	if c.Overlap > 0 && !linked && c.Back < maxBack && c.Offset > 0 {
		c.Back++
		c.Offset = max(0, c.Offset-max(n, c.Step))
		return false
	}
	c.Torn = c.Torn || c.Overlap > 0 && !linked
	c.Back, c.Step = 0, n
	c.Overlap = min(maxOverlap, n/10)
	c.Offset += n - c.Overlap
	return true
}
