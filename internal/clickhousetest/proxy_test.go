package clickhousetest

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"
)

// echo is a server that keeps what it receives and sends it back.
type echo struct {
	addr string
	got  chan string // what a connection received, once it ended in order
}

func startEcho(t *testing.T) *echo {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{addr: l.Addr().String(), got: make(chan string, 100)}
	var g errgroup.Group
	g.Go(func() error {
		for {
			c, err := l.Accept()
			if err != nil {
				return nil
			}
			g.Go(func() error { e.serve(c); return nil })
		}
	})
	t.Cleanup(func() { l.Close(); ok(t, g.Wait()) })
	return e
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// reset ends a connection as a killed client does.
func reset(t *testing.T, c *net.TCPConn) {
	t.Helper()
	ok(t, c.SetLinger(0))
	ok(t, c.Close())
}

func (e *echo) serve(c net.Conn) {
	defer c.Close()
	var all []byte
	buf := make([]byte, 1000)
	for {
		n, err := c.Read(buf)
		all = append(all, buf[:n]...)
		switch {
		case errors.Is(err, io.EOF):
			e.got <- string(all)
			return
		case err != nil:
			e.got <- "error: " + err.Error()
			return
		}
		_, _ = c.Write(buf[:n]) // a client that has gone misses it
	}
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	ok(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	return c.(*net.TCPConn)
}

// say sends a text and returns what comes back, which may be less.
func say(c net.Conn, text string) string {
	if _, err := io.WriteString(c, text); err != nil {
		return ""
	}
	buf := make([]byte, len(text))
	n, _ := io.ReadFull(c, buf)
	return string(buf[:n])
}

func TestResetBecomesAnOrderlyEnd(t *testing.T) {
	e := startEcho(t)
	c := dial(t, StartProxy(t, e.addr).Addr)
	if got := say(c, "hello"); got != "hello" {
		t.Fatalf("came back: %q", got)
	}
	reset(t, c)
	if got := <-e.got; got != "hello" {
		t.Errorf("the server saw %q", got)
	}
}

func TestCut(t *testing.T) {
	for name, c := range map[string]struct {
		fault          Fault
		back, received string
	}{
		"after bytes":              {Fault{After: 7}, "one ...", "one two"},
		"at the first byte":        {Fault{}, "", ""},
		"of the server":            {Fault{After: 5, FromServer: true}, "one t", "one two!"},
		"at a match":               {Fault{Match: "two"}, "one ", "one "},
		"at a match over a border": {Fault{Match: "e tw"}, "one ", "one "},
		"after a match":            {Fault{Match: "ne", After: 4}, "one ...", "one two"},
		"at the second match":      {Fault{Match: "o", Nth: 2}, "one ", "one "},
		"at no match":              {Fault{Match: "three"}, "one two!", "one two!"},
	} {
		t.Run(name, func(t *testing.T) {
			e := startEcho(t)
			p := StartProxy(t, e.addr)
			c.fault.Action = Cut
			p.Set(c.fault)
			conn := dial(t, p.Addr)
			back := say(conn, "one ")
			if len(back) == 4 {
				back += say(conn, "two!")
			}
			_ = conn.CloseWrite() // it may be cut already
			// What the server sent when the link was cut may have got through.
			back, rest := back[:min(4, len(back))], back[min(4, len(back)):]
			if strings.HasSuffix(c.back, "...") && slices.Contains([]string{"", "t", "tw", "two"}, rest) {
				rest = "..."
			}
			back += rest
			if received := <-e.got; back != c.back || received != c.received {
				t.Errorf("came back %q, want %q; the server received %q, want %q", back, c.back, received, c.received)
			}
		})
	}
}

func TestFaultStrikesOnce(t *testing.T) {
	p := StartProxy(t, startEcho(t).addr)
	for _, always := range []bool{false, true} {
		var done atomic.Int32
		p.Set(Fault{Action: Cut, Always: always, Do: func() { done.Add(1) }})
		first, second := say(dial(t, p.Addr), "x"), say(dial(t, p.Addr), "x")
		if first != "" || (second == "") != always {
			t.Errorf("always %v: came back %q, %q", always, first, second)
		}
		if n := p.Struck(); int32(n) != done.Load() || (n == 2) != always {
			t.Errorf("always %v: struck %d times, Do was called %d times", always, n, done.Load())
		}
	}
}

func TestStallAndGoOn(t *testing.T) {
	p := StartProxy(t, startEcho(t).addr)
	p.Set(Fault{Action: Stall, After: 2})
	c := dial(t, p.Addr)
	var back string
	var g errgroup.Group
	g.Go(func() error { back = say(c, "hello"); return nil })
	for p.Struck() == 0 {
		time.Sleep(time.Millisecond)
	}
	p.Set(Fault{})
	if ok(t, g.Wait()); back != "hello" {
		t.Errorf("came back %q", back)
	}
}

func TestStallEndsWithTheProxy(t *testing.T) {
	e := startEcho(t)
	t.Run("inner", func(t *testing.T) {
		p := StartProxy(t, e.addr)
		p.Set(Fault{Action: Stall, After: 1})
		_, err := io.WriteString(dial(t, p.Addr), "hello")
		ok(t, err)
		for p.Struck() == 0 {
			time.Sleep(time.Millisecond)
		}
	})
	<-e.got
}

func TestSwallow(t *testing.T) {
	e := startEcho(t)
	p := StartProxy(t, e.addr)
	p.Set(Fault{Action: Swallow, Match: "commit"})
	c := dial(t, p.Addr)
	if got := say(c, "commit"); got != "commit" {
		t.Errorf("an answer that goes on is withheld: %q", got)
	}
	if got := say(c, "done\x05"); got != "" {
		t.Errorf("the end came through: %q", got)
	}
	if got := <-e.got; got != "commitdone\x05" {
		t.Errorf("the server received %q", got)
	}
}

func TestRefuseAndAdmit(t *testing.T) {
	p := StartProxy(t, startEcho(t).addr)
	old := dial(t, p.Addr)
	if got := say(old, "a"); got != "a" {
		t.Fatalf("came back %q", got)
	}
	p.Refuse(t)
	if c, err := net.Dial("tcp", p.Addr); err == nil {
		c.Close()
		t.Error("a connection was taken")
	}
	if got := say(old, "b"); got != "b" {
		t.Errorf("a link of before: came back %q", got)
	}
	p.Admit(t)
	if got := say(dial(t, p.Addr), "c"); got != "c" {
		t.Errorf("afterwards: came back %q", got)
	}
	p.CutAll()
	if got := say(old, "d"); got != "" {
		t.Errorf("a link that was cut: came back %q", got)
	}
}

func TestServerThatIsAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if got := say(dial(t, StartProxy(t, l.Addr().String()).Addr), "x"); got != "" {
		t.Errorf("came back %q", got)
	}
}

// TestMatchOverChunks cuts a stream into chunks in any way: the fault strikes
// at the same byte.
func TestMatchOverChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := []byte(rapid.StringMatching(`[ab]{0,60}`).Draw(t, "stream"))
		match := rapid.StringMatching(`[ab]{1,4}`).Draw(t, "match")
		after := rapid.Int64Range(1, 8).Draw(t, "after")
		sizes := rapid.SliceOfN(rapid.IntRange(1, 9), 60, 60).Draw(t, "sizes")
		p := &Proxy{}
		p.Set(Fault{Action: Cut, Match: match, After: after})
		w := &watch{}
		passed, struck := int64(0), false
		for i, rest := 0, slices.Clone(stream); len(rest) > 0 && !struck; i++ {
			chunk := rest[:min(sizes[i], len(rest))]
			rest = rest[len(chunk):]
			n, f := p.judge(w, chunk)
			passed += int64(n)
			struck = f.Action == Cut
		}
		want := int64(len(stream))
		at := strings.Index(string(stream), match)
		if at >= 0 {
			want = min(want, int64(at+len(match))+after)
		}
		if passed != want || struck != (at >= 0 && want == int64(at+len(match))+after) {
			t.Fatalf("passed %d, want %d; struck %v", passed, want, struck)
		}
	})
}

// TestBrokenInsert breaks INSERTs into a real server in the ways that the
// loader's tests do.
func TestBrokenInsert(t *testing.T) {
	s := Shared(t)
	p := StartProxy(t, s.Native)
	for name, c := range map[string]struct {
		fault Fault
		rows  string
	}{
		"cut before":         {Fault{Action: Cut, Match: "INSERT INTO"}, "0"},
		"cut in between":     {Fault{Action: Cut, Match: "INSERT INTO", After: 20000}, "0"},
		"the answer is lost": {Fault{Action: Swallow, Match: "INSERT INTO"}, "1000"},
	} {
		t.Run(name, func(t *testing.T) {
			table := table(t, s)
			p.Set(c.fault)
			conn := open(t, p.Addr, nil)
			if err := insert(t, conn, table, 1000); err == nil {
				t.Error("the INSERT reports success")
			}
			if p.Struck() != 1 {
				t.Errorf("the fault struck %d times", p.Struck())
			}
			if got := count(t, s, table); got != c.rows {
				t.Errorf("%s rows, want %s", got, c.rows)
			}
			if err := insert(t, conn, table, 10); err != nil {
				t.Errorf("an INSERT afterwards: %v", err)
			}
		})
	}
}

func TestKilledAtAStatement(t *testing.T) {
	s := Start(t, Options{})
	p := StartProxy(t, s.Native)
	one, two := table(t, s), table(t, s)
	conn := open(t, p.Addr, nil)
	if err := insert(t, conn, one, 10); err != nil {
		t.Fatal(err)
	}
	p.Set(Fault{Match: "EXCHANGE", Do: s.Kill})
	statement := "EXCHANGE TABLES " + one + " AND " + two
	if err := conn.Exec(t.Context(), statement); err == nil {
		t.Error("a killed server answers")
	}
	s.Restart()
	if got := count(t, s, one); got != "10" {
		t.Errorf("%s rows, want 10", got)
	}
	p.Set(Fault{Action: Swallow, Match: "EXCHANGE"})
	if err := conn.Exec(t.Context(), statement); err == nil {
		t.Error("a lost answer arrives")
	}
	if got := count(t, s, two); got != "10" {
		t.Errorf("%s rows in the other, want 10", got)
	}
}

// TestResetOfAnIdleClient is why a server has a proxy before it.
func TestResetOfAnIdleClient(t *testing.T) {
	s := Start(t, Options{})
	dialed := make(chan *net.TCPConn, 1)
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{s.Native}, Auth: clickhouse.Auth{Username: "etl", Password: Password},
		DialContext: func(ctx context.Context, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
			dialed <- c.(*net.TCPConn)
			return c, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := <-dialed
	reset(t, c)
	time.Sleep(100 * time.Millisecond)
	if got := s.Query(t, "SELECT 1"); got != "1\n" {
		t.Errorf("the server answers %q", got)
	}
}

func TestLate(t *testing.T) {
	e := startEcho(t)
	p := StartProxy(t, e.addr)
	p.Set(Fault{Match: "second", Action: Late})
	c := dial(t, p.Addr)
	if got := say(c, "first"); got != "first" {
		t.Fatalf("came back %q", got)
	}
	if _, err := c.Write([]byte("second")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 10)); err == nil {
		t.Error("the client's side is still there")
	}
	if p.Held() != 1 || len(e.got) != 0 {
		t.Fatalf("%d are held, the server has %d connections behind it", p.Held(), len(e.got))
	}
	if got := say(dial(t, p.Addr), "meanwhile"); got != "meanwhile" {
		t.Errorf("came back %q", got)
	}
	if n := p.Release(); n != 1 || p.Held() != 0 {
		t.Errorf("%d were released, %d are held", n, p.Held())
	}
	if got := <-e.got; got != "firstsecond" {
		t.Errorf("the server received %q", got)
	}
	p.Set(Fault{Match: "again", Action: Late, Twice: true})
	if _, err := dial(t, p.Addr).Write([]byte("again")); err != nil {
		t.Fatal(err)
	}
	for p.Held() == 0 {
		time.Sleep(time.Millisecond)
	}
	p.Release()
	if got := <-e.got; got != "againagain" {
		t.Errorf("the server received %q", got)
	}
	p.Set(Fault{Match: "third", Action: Late})
	if _, err := dial(t, p.Addr).Write([]byte("third")); err != nil { // ends with the proxy
		t.Fatal(err)
	}
}
