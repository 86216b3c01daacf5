package clickhousetest

import (
	"bytes"
	"slices"
)

// Action is what a [Fault] does to the link in which it strikes.
type Action uint8

// The actions.
const (
	Pass    Action = iota // nothing: for a Fault that only calls Do
	Cut                   // ends both sides
	Swallow               // lets the client's bytes through and ends the link instead of passing on the end of the server's answer
	Stall                 // holds everything, both ways, until another fault is set
	Late                  // ends the client's side, and keeps the bytes that it holds back from the server until [Proxy.Release]
)

// Fault says where and how a link is broken.
type Fault struct {
	Action Action
	// Match are bytes that the fault waits for, such as the beginning of a
	// statement: queries go uncompressed. Empty: any.
	Match string
	// After is how many bytes more still pass. With Match and without After,
	// what was read together with the match is held back, so that the server
	// never has the whole statement; a Swallow lets it pass in any case.
	After int64
	// FromServer looks at the server's bytes instead of the client's.
	FromServer bool
	// Nth strikes at the nth match, in whatever link; 0 is the first.
	Nth int
	// Always strikes again and again; otherwise a fault strikes once.
	Always bool
	// Twice lets what a Late fault holds arrive two times, one after the other, as
	// a proxy does that tries again.
	Twice bool
	// Do is called when the fault strikes, before the bytes that it holds back
	// go on: to kill a server at this very moment, say.
	Do func()

	release <-chan struct{} // closed when another fault is set
}

// plan is the fault of the moment.
type plan struct {
	fault   Fault
	release chan struct{}
	armed   bool
	number  int   // tells one fault from the next
	left    int64 // bytes until it strikes, without Match
	matches int
	struck  int
}

// watch is how far one direction of one link is with the plan's fault.
type watch struct {
	server bool
	number int    // of the fault that the rest belongs to
	tail   []byte // the last bytes, in which a match may have begun
	left   int64  // bytes until it strikes, after a match; -1: none yet
}

// Set replaces the fault and lets stalled links go on. The zero Fault does
// nothing.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan.replace(f)
}

// Release lets the bytes of all Late faults through, as if they had been on their
// way until now, and waits for the server's answer to each. It returns how many.
func (p *Proxy) Release() int {
	p.mu.Lock()
	late := p.late
	p.late = nil
	p.mu.Unlock()
	for _, k := range late {
		close(k.release)
		<-k.arrived
	}
	return len(late)
}

// Held is how many Late faults wait for Release.
func (p *Proxy) Held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.late)
}

// Struck is how often the fault of the moment has struck.
func (p *Proxy) Struck() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.plan.struck
}

func (n *plan) replace(f Fault) {
	if n.release != nil {
		close(n.release)
	}
	n.release = make(chan struct{})
	f.release = n.release
	n.fault = f
	n.armed = f.Action != Pass || f.Do != nil
	n.number++
	n.left, n.matches, n.struck = f.After, 0, 0
}

// judge says how much of a chunk passes before the fault strikes. All of it
// and the zero Fault mean that it does not.
func (p *Proxy) judge(w *watch, chunk []byte) (pass int, f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := &p.plan
	if !n.armed || n.fault.FromServer != w.server {
		return len(chunk), Fault{}
	}
	if w.number != n.number {
		*w = watch{server: w.server, number: n.number, left: -1}
	}
	look := n.match
	if n.fault.Match == "" {
		look = n.any
	}
	pass, hit := look(w, chunk)
	if !hit {
		return len(chunk), Fault{}
	}
	n.struck++
	n.armed = n.fault.Always
	n.left, w.left = n.fault.After, -1
	return pass, n.fault
}

// any counts bytes over all links.
func (n *plan) any(_ *watch, chunk []byte) (pass int, hit bool) {
	if n.left >= int64(len(chunk)) && n.left > 0 {
		n.left -= int64(len(chunk))
		return len(chunk), false
	}
	return int(n.left), true
}

// match looks for the match, over the border of chunks too, and then counts
// the bytes of this link.
func (n *plan) match(w *watch, chunk []byte) (pass int, hit bool) {
	from := 0
	if w.left < 0 {
		if from = n.find(w, chunk); from < 0 {
			return len(chunk), false
		}
		if n.fault.After == 0 {
			return 0, true
		}
		w.left = n.fault.After
	}
	if rest := int64(len(chunk) - from); w.left > rest {
		w.left -= rest
		return len(chunk), false
	}
	return from + int(w.left), true
}

// find returns where in the chunk the nth match ends, or -1.
func (n *plan) find(w *watch, chunk []byte) int {
	match := []byte(n.fault.Match)
	text := slices.Concat(w.tail, chunk)
	before := len(w.tail)
	w.tail = bytes.Clone(text[max(0, len(text)-len(match)+1):])
	for at := 0; ; {
		i := bytes.Index(text[at:], match)
		if i < 0 {
			return -1
		}
		at += i + len(match)
		if n.matches++; n.matches >= n.fault.Nth {
			return at - before
		}
	}
}
