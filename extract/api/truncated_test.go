package api

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"testing"
)

// cutWire answers every question with the first bytes of a recorded answer, then
// the connection's end.
type cutWire struct{ bytes []byte }

// RoundTrip reads the answer as net/http does.
func (c cutWire) RoundTrip(r *http.Request) (*http.Response, error) {
	return http.ReadResponse(bufio.NewReader(bytes.NewReader(c.bytes)), r)
}

// wires is a body as it goes over the line, by each way to say where it ends.
func wires(t *testing.T, body string) map[string][]byte {
	t.Helper()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	half := len(body) / 2
	chunks := fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", half, body[:half], len(body)-half, body[half:])
	return map[string][]byte{
		"length":      fmt.Appendf(nil, "%sContent-Length: %d\r\n\r\n%s", head, len(body), body),
		"no length":   fmt.Appendf(nil, "%sConnection: close\r\n\r\n%s", head, body),
		"chunked":     fmt.Appendf(nil, "%sTransfer-Encoding: chunked\r\n\r\n%s", head, chunks),
		"gzip":        fmt.Appendf(nil, "%sContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", head, packed.Len(), packed.String()),
		"gzip to end": fmt.Appendf(nil, "%sContent-Encoding: gzip\r\nConnection: close\r\n\r\n%s", head, packed.String()),
	}
}

// questions are the methods, each with a sample answer.
func questions() map[string]struct {
	sample string
	ask    func(*testing.T, *Client) error
} {
	type question = struct {
		sample string
		ask    func(*testing.T, *Client) error
	}
	return map[string]question{
		"list": {
			`{"clients":[{"id":"1","name":"Анна","fields":{}},{"id":2}],"total":2,"status":"success"}`,
			func(t *testing.T, c *Client) error { _, err := c.List(t.Context(), ListQuestion{Limit: 2}); return err },
		},
		"feed": {
			`{"feed":[{"type":"visit","visitId":41028,"date":"2021-11-10T14:05:12+0000"},{"type":"sms","text":"\u0441"}],"status":"success"}`,
			func(t *testing.T, c *Client) error { _, err := c.Feed(t.Context(), 1); return err },
		},
		"contacts": {
			`{"data":[{"client_id":1,"metric":"sent","value":"1"}],"total_count":1,"status":"success"}`,
			func(t *testing.T, c *Client) error {
				_, err := c.Contacts(t.Context(), ContactsQuestion{Metrics: []string{"sent"}, Campaigns: []int64{2}, Limit: 1})
				return err
			},
		},
	}
}

// TestAnswersCutAtEveryByte demands an error for each proper prefix of an answer,
// its header and framing included: a success that was cut would be a false one.
func TestAnswersCutAtEveryByte(t *testing.T) {
	for method, q := range questions() {
		for framing, wire := range wires(t, q.sample) {
			t.Run(method+"/"+framing, func(t *testing.T) {
				for n := range len(wire) + 1 {
					c, err := New(Options{BaseURL: "http://127.0.0.1/api/v1", Key: testKey, Project: "1", Transport: cutWire{wire[:n]}})
					if err != nil {
						t.Fatal(err)
					}
					if err = q.ask(t, c); (err == nil) != (n == len(wire)) {
						t.Errorf("cut after %d of %d bytes: %v", n, len(wire), err)
					}
				}
			})
		}
	}
}
