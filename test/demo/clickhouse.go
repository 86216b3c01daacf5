package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// clickhouseServer is what `make demo-clickhouse` builds.
	clickhouseServer = ".clickhouse/server"
	// clickhousePassword is that of the stand's users, see test/clickhouse/server.
	clickhousePassword = "secret"
	database           = "roistat_demo"
)

// clickhouse is a running server.
type clickhouse struct {
	native, web string // host:port
	cmd         *exec.Cmd
	log         *os.File
}

// startClickHouse starts a real ClickHouse whose data lies in the demo's folder.
func startClickHouse(ctx context.Context, dir string) (*clickhouse, error) {
	log, err := os.Create(filepath.Join(dir, "clickhouse.log"))
	if err != nil {
		return nil, err
	}
	addrFile := filepath.Join(dir, "clickhouse.addr")
	cmd := program(ctx, clickhouseServer, "--dir", filepath.Join(dir, "clickhouse"), "--addr-file", addrFile)
	cmd.Stdout, cmd.Stderr = log, log
	c := &clickhouse{cmd: cmd, log: log}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	text, err := awaitFile(ctx, addrFile)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w; its log: %s", err, log.Name()), c.stop())
	}
	c.native, c.web, _ = strings.Cut(text, "\n")
	return c, nil
}

// stop ends the server.
func (c *clickhouse) stop() error { return end(c.cmd, c.log) }

// load is what the configuration says of the server.
func (c *clickhouse) load() string {
	return fmt.Sprintf("      - clickhouse: {url: \"clickhouse://etl@%s/%s\", password: %s}\n", c.native, database, clickhousePassword)
}

// ask puts the questions to the server as an analyst would, who may only read.
func (c *clickhouse) ask(ctx context.Context) error {
	for _, q := range clickhouseQuestions() {
		fmt.Printf("\n%s\n\n", q)
		if err := c.query(ctx, q+" FORMAT PrettyCompactNoEscapes", os.Stdout); err != nil {
			return fmt.Errorf("ask ClickHouse: %w", err)
		}
	}
	return nil
}

func (c *clickhouse) query(ctx context.Context, q string, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.web+"/?database="+database, strings.NewReader(q))
	if err != nil {
		return err
	}
	req.SetBasicAuth("bi", clickhousePassword)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		text, err := io.ReadAll(resp.Body)
		return errors.Join(fmt.Errorf("%s: %s", resp.Status, text), err)
	}
	_, err = io.Copy(out, resp.Body)
	return err
}

// clickhouseQuestions are three of those in docs/analysts.md.
func clickhouseQuestions() []string {
	return []string{
		`-- What did the last months bring?
SELECT formatDateTime(day, '%Y-%m') AS month, sum(visits) AS visits, sum(leads) AS leads, sum(orders) AS orders, sum(paid_orders) AS paid, sum(paid_revenue) AS paid_revenue
FROM daily_funnel GROUP BY month HAVING visits > 0 ORDER BY month DESC LIMIT 6`,

		`-- How long does it take from the first visit to the order?
SELECT coalesce(nullIf(first_source_title, ''), first_source_id) AS source, count() AS orders, round(quantileExact(0.5)(dateDiff('second', first_visit_at, occurred_at)) / 86400, 1) AS days_median
FROM orders WHERE first_visit_at IS NOT NULL GROUP BY source ORDER BY orders DESC LIMIT 5`,

		`-- What was published, and when?
SELECT run, finished_at, outcome, clients, feeds_never_fetched, oldest_feed_at FROM _runs ORDER BY run DESC LIMIT 3`,
	}
}
