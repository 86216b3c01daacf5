package watch

import "fmt"

// The sizes of charts, in their own units: a page scales them to its width.
const (
	chartBase  = 72  // height of the tallest bar
	chartUnder = 15  // room below, for the first and the last label
	mostSlot   = 24. // width of a bar with its gap, at most
)

// chart is a bar chart.
type chart struct {
	Label                      string // what it shows, for those who can't see it
	Width, Height, Base, Under float64
	End                        float64 // of the last bar
	First, Last                string  // below the first and the last bar
	Bars                       []bar
}

// bar is one bar, of parts that stand upon each other.
type bar struct {
	Title string
	Parts []part
}

// part is a rectangle.
type part struct {
	Class               string
	X, Y, Width, Height string
}

// value is what a bar shows: a number for each class of the chart.
type value struct {
	Label   string
	Numbers []int64
}

// draw makes a chart of the given width; a class is a colour of the page.
func draw(label string, width float64, classes []string, values []value) chart {
	c := chart{Label: label, Width: width, Height: chartBase + chartUnder, Base: chartBase, Under: chartBase + chartUnder - 3}
	if len(values) == 0 {
		return c
	}
	tallest := int64(1)
	for _, v := range values {
		tallest = max(tallest, sum(v.Numbers))
	}
	slot := min(width/float64(len(values)), mostSlot)
	c.End = slot * float64(len(values))
	for i, v := range values {
		c.Bars = append(c.Bars, stack(v, classes, float64(i)*slot, slot, float64(tallest)))
	}
	return c
}

// stack puts the parts of a bar upon each other.
func stack(v value, classes []string, x, slot, tallest float64) bar {
	b := bar{Title: v.Label}
	y := float64(chartBase)
	for i, n := range v.Numbers {
		if n <= 0 {
			continue
		}
		h := max(float64(n)/tallest*chartBase, 1) // what is there is seen
		y -= h
		b.Parts = append(b.Parts, part{classes[i], number(x + slot*0.1), number(y), number(slot * 0.8), number(h)})
	}
	return b
}

// name names the ends of the chart, where they don't run into each other.
func (c *chart) name(first, last string) {
	if c.First = first; c.End >= 120 {
		c.Last = last
	}
}

func number(f float64) string { return fmt.Sprintf("%.2f", f) }

func sum(list []int64) (n int64) {
	for _, x := range list {
		n += x
	}
	return n
}
