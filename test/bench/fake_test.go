package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// fakeAPI answers lists, newest first, and feeds.
type fakeAPI struct {
	*httptest.Server
	clients int
	feeds   atomic.Int64
	broken  atomic.Int64 // the client whose feed fails
}

func newFakeAPI(t *testing.T, clients int) *fakeAPI {
	a := &fakeAPI{clients: clients}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/project/clients", a.list)
	mux.HandleFunc("GET /api/v1/project/clients/detail/feed", a.feed)
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

func (a *fakeAPI) row(id int) string { return fmt.Sprintf(`{"id":%d,"name":"%d"}`, id, id) }

func (a *fakeAPI) list(w http.ResponseWriter, r *http.Request) {
	var q struct{ Limit, Offset int }
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.Header.Get("Api-Key") != simKey {
		http.Error(w, "bad call", http.StatusBadRequest)
		return
	}
	var rows []string
	for i := q.Offset; i < min(q.Offset+q.Limit, a.clients); i++ {
		rows = append(rows, a.row(a.clients-i))
	}
	fmt.Fprintf(w, `{"clients":[%s],"total":%d,"status":"success"}`, strings.Join(rows, ","), a.clients)
}

func (a *fakeAPI) feed(w http.ResponseWriter, r *http.Request) {
	a.feeds.Add(1)
	id, err := strconv.Atoi(r.URL.Query().Get("client"))
	if err != nil || int64(id) == a.broken.Load() {
		http.Error(w, "broken", http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, `{"feed":[{"type":"visit","visitId":"%d"}],"status":"success"}`, id)
}

// wantFeeds are the lines of the export, in the order of the ids.
func (a *fakeAPI) wantFeeds() (lines []string) {
	for id := 1; id <= a.clients; id++ {
		lines = append(lines, fmt.Sprintf(`{"client_id":%d,"feed":[{"type":"visit","visitId":"%d"}]}`, id, id))
	}
	return lines
}

// wantClients are the rows, in the order of the list.
func (a *fakeAPI) wantClients() (lines []string) {
	for id := a.clients; id >= 1; id-- {
		lines = append(lines, a.row(id))
	}
	return lines
}
