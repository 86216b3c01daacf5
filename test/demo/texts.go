package main

// configuration is the pipelines.yaml of the demo; ADDR is where the stand-in listens.
const configuration = `# Written by make demo. The stand-in allows more than Roistat does; without
# per_second and per_hour a pipeline takes a part of what a project may ask.
version: 1
pipelines:
  - name: demo
    project: "12345"
    api:
      base_url: http://ADDR/api/v1
      key: demo-key          # the stand-in's; a real one belongs outside the file: ${ROISTAT_API_KEY}
      per_second: 500
      per_hour: 1000000
      concurrency: 16
    extract:
      campaigns:
        - {id: 2, metrics: [sent, delivered, opened, click, unsubscribe, spam]}
    mirror: mirror.db
    load:
      - parquet: {path: tables}
`

// whatNow tells a newcomer where the tables are; DIR is the demo's folder.
const whatNow = `
What is there now
  DIR/tables/current             a link to the published snapshot: a folder a table, a folder a month
  DIR/tables/current/views.sql   the same as views for DuckDB, with three to begin with:
                                 client_journey, orders_attributed, daily_funnel
  DIR/mirror.db                  what the API answered; the next run asks only for what is due

Ask it in SQL
  .venv/bin/python test/readers/query.py DIR/tables 'SELECT * FROM daily_funnel ORDER BY day DESC LIMIT 7'
  duckdb -init DIR/tables/current/views.sql

or in Python (resolve the link once, so that one read sees one snapshot)
  .venv/bin/python -c 'import os, pyarrow.dataset as ds; print(ds.dataset(os.path.realpath("DIR/tables/current/visits"), partitioning="hive").to_table())'

or the program itself
  bin/roistat-etl status -c DIR/pipelines.yaml
  bin/roistat-etl verify -c DIR/pipelines.yaml
  bin/roistat-etl schema --format markdown

`

// questions returns what is put to the tables through views.sql.
func questions() []string {
	return []string{
		`-- What did the last months bring?
SELECT strftime(day, '%Y-%m') AS month, sum(visits)::BIGINT AS visits, sum(leads)::BIGINT AS leads,
       sum(orders)::BIGINT AS orders, sum(paid_orders)::BIGINT AS paid, sum(paid_revenue) AS paid_revenue
FROM daily_funnel GROUP BY month ORDER BY month DESC LIMIT 6`,

		`-- Which source did the buyers first come from?
SELECT first_source_title AS first_source, count(*) AS orders, sum(revenue) AS revenue
FROM orders_attributed WHERE status_type = 'paid'
GROUP BY first_source ORDER BY revenue DESC NULLS LAST LIMIT 5`,

		`-- How did the best order come about?
SELECT strftime(occurred_at, '%Y-%m-%d %H:%M') AS at, event_type, title, status, amount
FROM client_journey
WHERE client_id = (SELECT client_id FROM orders WHERE status_type = 'paid' ORDER BY revenue DESC NULLS LAST, event_id LIMIT 1)
ORDER BY occurred_at, event_id LIMIT 10`,
	}
}
