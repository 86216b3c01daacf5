package extract

import (
	"context"
	"fmt"
	"sync"

	"roistat-etl/extract/api"
)

// fake answers by functions; one that is missing answers with nothing. It counts
// the calls it gets.
type fake struct {
	list     func(q api.ListQuestion) (*api.ListPage, error)
	feed     func(ctx context.Context, client int64) (*api.Feed, error)
	contacts func(q api.ContactsQuestion) (*api.ContactsPage, error)

	mu                    sync.Mutex
	lists, asked, queries int
	byClient              map[int64]int
}

func (f *fake) List(_ context.Context, q api.ListQuestion) (*api.ListPage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists++
	if f.list == nil {
		return &api.ListPage{}, nil
	}
	return f.list(q)
}

func (f *fake) Feed(ctx context.Context, client int64) (*api.Feed, error) {
	f.mu.Lock()
	if f.byClient == nil {
		f.byClient = map[int64]int{}
	}
	f.asked++
	f.byClient[client]++
	f.mu.Unlock()
	if f.feed == nil {
		return items(1), nil
	}
	return f.feed(ctx, client)
}

func (f *fake) Contacts(_ context.Context, q api.ContactsQuestion) (*api.ContactsPage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queries++
	if f.contacts == nil {
		return &api.ContactsPage{}, nil
	}
	return f.contacts(q)
}

// items is a feed of n items.
func items(n int) *api.Feed {
	text := []byte("[")
	for i := range n {
		if i > 0 {
			text = append(text, ',')
		}
		text = fmt.Appendf(text, `{"type":"visit","visitId":%d}`, i)
	}
	return &api.Feed{JSON: append(text, ']'), Items: int64(n)}
}

// row is a client's row.
func row(id int64) []byte {
	return fmt.Appendf(nil, `{"id":%d,"name":"client %d","first_visit_date":"2021-11-%02dT10:00:00+0000"}`, id, id, id%28+1)
}

// static lists n clients, the newest first.
func static(n int64) func(api.ListQuestion) (*api.ListPage, error) {
	rows := make([][]byte, n)
	for i := range rows {
		rows[i] = row(n - int64(i))
	}
	return paged(&rows, 1000)
}

// paged serves the rows that are there when a page is asked for.
func paged(rows *[][]byte, limit int64) func(api.ListQuestion) (*api.ListPage, error) {
	return func(q api.ListQuestion) (*api.ListPage, error) {
		n := int64(len(*rows))
		from := min(q.Offset, n)
		to := min(from+min(q.Limit, limit), n)
		return &api.ListPage{Rows: (*rows)[from:to], Total: n}, nil
	}
}

func apiError(k api.Kind, code string, status int) *api.Error {
	return &api.Error{Kind: k, Code: code, HTTP: status}
}
