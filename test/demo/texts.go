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
Now there is, in DIR
  tables/current             the published tables: a link to a snapshot, in it a folder
                             a table and a folder a month
  tables/current/views.sql   the same for DuckDB, with three views to begin with:
                             client_journey, orders_attributed, daily_funnel
  pipelines.yaml, mirror.db  the configuration; what the API answered

Ask it in SQL, with DuckDB's own shell or through Python
  duckdb -init DIR/tables/current/views.sql
  .venv/bin/python test/readers/query.py DIR/tables "SELECT day, visits, leads, orders, revenue FROM daily_funnel WHERE visits + leads + orders > 0 ORDER BY day DESC LIMIT 7"

or as data frames (the link is resolved once, so that one read sees one snapshot)
  .venv/bin/python -c 'import os, pyarrow.dataset as ds; print(ds.dataset(os.path.realpath("DIR/tables/current/visits"), partitioning="hive").to_table())'

or the program itself
  bin/roistat-etl status  -c DIR/pipelines.yaml
  bin/roistat-etl verify  -c DIR/pipelines.yaml
  bin/roistat-etl rejects -c DIR/pipelines.yaml --limit 5
  bin/roistat-etl schema  --format markdown

`

// questions returns what is put to the tables through views.sql.
func questions() []string {
	return []string{
		`-- What did the last months bring?
SELECT strftime(day, '%Y-%m') AS month, sum(visits)::INT AS visits, sum(leads)::INT AS leads,
       sum(orders)::INT AS orders, sum(paid_orders)::INT AS paid, sum(paid_revenue) AS paid_revenue
FROM daily_funnel GROUP BY month HAVING visits > 0 ORDER BY month DESC LIMIT 6`,

		`-- Which source did the buyers first come from?
SELECT coalesce(nullif(first_source_title, ''), first_source_id, 'unknown') AS first_source,
       count(*) AS paid_orders, sum(revenue) AS revenue
FROM orders_attributed WHERE status_type = 'paid'
GROUP BY first_source ORDER BY revenue DESC NULLS LAST LIMIT 5`,

		`-- What led to the largest order that several visits came before?
SELECT strftime(e.occurred_at, '%Y-%m-%d %H:%M') AS at, e.event_type, e.title, e.status, e.amount
FROM client_journey e
JOIN (SELECT client_id, occurred_at FROM orders WHERE status_type = 'paid' AND visits_before > 2
      ORDER BY revenue DESC NULLS LAST, event_id LIMIT 1) best
  ON e.client_id = best.client_id AND e.occurred_at <= best.occurred_at
ORDER BY e.occurred_at DESC, e.event_id LIMIT 8`,
	}
}
