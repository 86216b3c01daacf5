package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
)

// serverPassword is that of the server's users, see test/clickhouse/server.
const serverPassword = "secret"

// clickhouseServer is a running ClickHouse.
type clickhouseServer struct{ *service }

// startClickHouse starts a real ClickHouse with an empty folder.
func (b *bench) startClickHouse(ctx context.Context) (*clickhouseServer, error) {
	s, err := b.serve(ctx, "ClickHouse", b.server, "--dir", filepath.Join(b.dir, "server"))
	return &clickhouseServer{s}, err
}

func (s *clickhouseServer) native() string { return s.at[0] }

// destination is the server as a pipeline's configuration has it.
func (s *clickhouseServer) destination(database string) string {
	return fmt.Sprintf(`clickhouse: {url: "clickhouse://etl@%s/%s", password: %s}`, s.native(), database, serverPassword)
}

// query asks over HTTP, as a user who may do everything, and returns the lines of
// the answer as fields.
func (s *clickhouseServer) query(ctx context.Context, format string, args ...any) (rows [][]string, err error) {
	q := fmt.Sprintf(format, args...)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.at[1]+"/", strings.NewReader(q))
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth("admin", serverPassword)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", q, text)
	}
	for line := range strings.Lines(string(text)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows, nil
}

// empty drops a database and makes it anew.
func (s *clickhouseServer) empty(ctx context.Context, database string) error {
	if err := s.drop(ctx, database); err != nil {
		return err
	}
	_, err := s.query(ctx, "CREATE DATABASE %s", database)
	return err
}

func (s *clickhouseServer) drop(ctx context.Context, database string) error {
	_, err := s.query(ctx, "DROP DATABASE IF EXISTS %s SYNC", database)
	return err
}

// contents hashes every partition of every table of ours, by the server's own
// functions: what the loader says of itself is not asked.
func (s *clickhouseServer) contents(ctx context.Context, database string) (map[string]content, error) {
	out := map[string]content{}
	for _, t := range tableNames() {
		rows, err := s.query(ctx, "SELECT _partition_id, count(), sum(cityHash64(toString(tuple(%s)))) FROM %s.%s GROUP BY 1", columnsSorted(t), database, t)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			out[t+" "+r[0]] = content{rows: r[1], hash: r[2]}
		}
	}
	return out, nil
}

// content is what a partition holds.
type content struct{ rows, hash string }
