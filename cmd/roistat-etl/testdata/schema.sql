CREATE TABLE `visits`
(
    `project` LowCardinality(String) COMMENT 'project number',
    `client_id` Int64 COMMENT 'Roistat client',
    `event_id` String COMMENT 'stable, unique in its table' CODEC(ZSTD(1)),
    `occurred_at` DateTime64(3, 'UTC') COMMENT 'UTC' CODEC(Delta(8), ZSTD(1)),
    `visit_id` String COMMENT 'visit number' CODEC(ZSTD(1)),
    `source_id` LowCardinality(Nullable(String)) COMMENT 'source: marker',
    `source_title` LowCardinality(Nullable(String)) COMMENT 'source: title',
    `source_icon` LowCardinality(Nullable(String)) COMMENT 'source: icon',
    `device_os` LowCardinality(Nullable(String)) COMMENT 'operating system',
    `device_os_icon` LowCardinality(Nullable(String)) COMMENT 'operating system: icon',
    `device_agent` LowCardinality(Nullable(String)) COMMENT 'browser',
    `device_agent_icon` LowCardinality(Nullable(String)) COMMENT 'browser: icon',
    `is_mobile` Nullable(Bool) COMMENT 'the device is mobile',
    `extra` Nullable(String) COMMENT 'all other keys of the API, JSON' CODEC(ZSTD(1)),
    INDEX client_id_bloom client_id TYPE bloom_filter(0.01)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (toDate(occurred_at), client_id, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row a visit to the site [run=RUN mirror=ID]';

CREATE TABLE `orders`
(
    `project` LowCardinality(String) COMMENT 'project number',
    `client_id` Int64 COMMENT 'Roistat client',
    `event_id` String COMMENT 'stable, unique in its table' CODEC(ZSTD(1)),
    `occurred_at` DateTime64(3, 'UTC') COMMENT 'UTC' CODEC(Delta(8), ZSTD(1)),
    `order_id` String COMMENT 'order''s id' CODEC(ZSTD(1)),
    `name` Nullable(String) COMMENT 'order''s name' CODEC(ZSTD(1)),
    `status` LowCardinality(Nullable(String)) COMMENT 'status in Roistat',
    `status_type` LowCardinality(Nullable(String)) COMMENT 'status group: unused, progress, paid, canceled',
    `status_title` LowCardinality(Nullable(String)) COMMENT 'status: title',
    `revenue` Nullable(Decimal(18,2)) COMMENT 'revenue' CODEC(T64, ZSTD(1)),
    `cost` Nullable(Decimal(18,2)) COMMENT 'cost' CODEC(T64, ZSTD(1)),
    `formatted_revenue` Nullable(String) COMMENT 'revenue with currency' CODEC(ZSTD(1)),
    `formatted_cost` Nullable(String) COMMENT 'cost with currency' CODEC(ZSTD(1)),
    `updated_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'last update' CODEC(Delta(8), ZSTD(1)),
    `fields` Map(LowCardinality(String), String) COMMENT 'additional fields; keys sorted',
    `visits_before` Int64 COMMENT 'visits of this client up to the order',
    `first_visit_id` Nullable(String) COMMENT 'first of those visits' CODEC(ZSTD(1)),
    `last_visit_id` Nullable(String) COMMENT 'last of those visits' CODEC(ZSTD(1)),
    `first_visit_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'time of the first visit' CODEC(Delta(8), ZSTD(1)),
    `last_visit_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'time of the last visit' CODEC(Delta(8), ZSTD(1)),
    `first_source_id` LowCardinality(Nullable(String)) COMMENT 'source of the first visit: marker',
    `first_source_title` LowCardinality(Nullable(String)) COMMENT 'source of the first visit: title',
    `last_source_id` LowCardinality(Nullable(String)) COMMENT 'source of the last visit: marker',
    `last_source_title` LowCardinality(Nullable(String)) COMMENT 'source of the last visit: title',
    `extra` Nullable(String) COMMENT 'all other keys of the API, JSON' CODEC(ZSTD(1)),
    INDEX client_id_bloom client_id TYPE bloom_filter(0.01)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (toDate(occurred_at), client_id, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row an order, with the visits of its client that led to it [run=RUN mirror=ID]';

CREATE TABLE `site_events`
(
    `project` LowCardinality(String) COMMENT 'project number',
    `client_id` Int64 COMMENT 'Roistat client',
    `event_id` String COMMENT 'stable, unique in its table' CODEC(ZSTD(1)),
    `occurred_at` DateTime64(3, 'UTC') COMMENT 'UTC' CODEC(Delta(8), ZSTD(1)),
    `meta_id` LowCardinality(Nullable(String)) COMMENT 'kind of event',
    `name` LowCardinality(Nullable(String)) COMMENT 'kind of event: name',
    `extra` Nullable(String) COMMENT 'all other keys of the API, JSON' CODEC(ZSTD(1)),
    INDEX client_id_bloom client_id TYPE bloom_filter(0.01)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (toDate(occurred_at), client_id, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row an event on the site [run=RUN mirror=ID]';

CREATE TABLE `lead_hunter_appearances`
(
    `project` LowCardinality(String) COMMENT 'project number',
    `client_id` Int64 COMMENT 'Roistat client',
    `event_id` String COMMENT 'stable, unique in its table' CODEC(ZSTD(1)),
    `occurred_at` DateTime64(3, 'UTC') COMMENT 'UTC' CODEC(Delta(8), ZSTD(1)),
    `page` Nullable(String) COMMENT 'page it was shown on' CODEC(ZSTD(1)),
    `extra` Nullable(String) COMMENT 'all other keys of the API, JSON' CODEC(ZSTD(1)),
    INDEX client_id_bloom client_id TYPE bloom_filter(0.01)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (toDate(occurred_at), client_id, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row an appearance of the Lead Hunter [run=RUN mirror=ID]';

CREATE TABLE `lead_hunter_leads`
(
    `project` LowCardinality(String) COMMENT 'project number',
    `client_id` Int64 COMMENT 'Roistat client',
    `event_id` String COMMENT 'stable, unique in its table' CODEC(ZSTD(1)),
    `occurred_at` DateTime64(3, 'UTC') COMMENT 'UTC' CODEC(Delta(8), ZSTD(1)),
    `page` Nullable(String) COMMENT 'page the lead was caught on' CODEC(ZSTD(1)),
    `name` Nullable(String) COMMENT 'lead''s name' CODEC(ZSTD(1)),
    `phone` Nullable(String) COMMENT 'phone entered' CODEC(ZSTD(1)),
    `status` LowCardinality(Nullable(String)) COMMENT '1 sent, 0 not sent',
    `is_sent` Nullable(Bool) COMMENT 'status 1 true, 0 false, else null',
    `extra` Nullable(String) COMMENT 'all other keys of the API, JSON' CODEC(ZSTD(1)),
    INDEX client_id_bloom client_id TYPE bloom_filter(0.01)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (toDate(occurred_at), client_id, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row a lead caught by the Lead Hunter [run=RUN mirror=ID]';

CREATE TABLE `order_status_changes`
(
    `project` LowCardinality(String) COMMENT 'project number',
    `client_id` Int64 COMMENT 'Roistat client',
    `event_id` String COMMENT 'stable, unique in its table' CODEC(ZSTD(1)),
    `occurred_at` DateTime64(3, 'UTC') COMMENT 'UTC' CODEC(Delta(8), ZSTD(1)),
    `order_id` Nullable(String) COMMENT 'order''s id' CODEC(ZSTD(1)),
    `order_title` Nullable(String) COMMENT 'order''s name' CODEC(ZSTD(1)),
    `status` LowCardinality(Nullable(String)) COMMENT 'new status in Roistat',
    `status_type` LowCardinality(Nullable(String)) COMMENT 'new status group: unused, progress, paid, canceled',
    `status_title` LowCardinality(Nullable(String)) COMMENT 'new status: title',
    `extra` Nullable(String) COMMENT 'all other keys of the API, JSON' CODEC(ZSTD(1)),
    INDEX client_id_bloom client_id TYPE bloom_filter(0.01)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (toDate(occurred_at), client_id, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row a change of an order''s status [run=RUN mirror=ID]';

CREATE TABLE `order_cost_changes`
(
    `project` LowCardinality(String) COMMENT 'project number',
    `client_id` Int64 COMMENT 'Roistat client',
    `event_id` String COMMENT 'stable, unique in its table' CODEC(ZSTD(1)),
    `occurred_at` DateTime64(3, 'UTC') COMMENT 'UTC' CODEC(Delta(8), ZSTD(1)),
    `order_id` Nullable(String) COMMENT 'order''s id' CODEC(ZSTD(1)),
    `order_title` Nullable(String) COMMENT 'order''s name' CODEC(ZSTD(1)),
    `cost` Nullable(Decimal(18,2)) COMMENT 'new cost' CODEC(T64, ZSTD(1)),
    `formatted_cost` Nullable(String) COMMENT 'new cost with currency' CODEC(ZSTD(1)),
    `extra` Nullable(String) COMMENT 'all other keys of the API, JSON' CODEC(ZSTD(1)),
    INDEX client_id_bloom client_id TYPE bloom_filter(0.01)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (toDate(occurred_at), client_id, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row a change of an order''s cost [run=RUN mirror=ID]';

CREATE TABLE `order_price_changes`
(
    `project` LowCardinality(String) COMMENT 'project number',
    `client_id` Int64 COMMENT 'Roistat client',
    `event_id` String COMMENT 'stable, unique in its table' CODEC(ZSTD(1)),
    `occurred_at` DateTime64(3, 'UTC') COMMENT 'UTC' CODEC(Delta(8), ZSTD(1)),
    `order_id` Nullable(String) COMMENT 'order''s id' CODEC(ZSTD(1)),
    `order_title` Nullable(String) COMMENT 'order''s name' CODEC(ZSTD(1)),
    `price` Nullable(Decimal(18,2)) COMMENT 'new price' CODEC(T64, ZSTD(1)),
    `formatted_price` Nullable(String) COMMENT 'new price with currency' CODEC(ZSTD(1)),
    `extra` Nullable(String) COMMENT 'all other keys of the API, JSON' CODEC(ZSTD(1)),
    INDEX client_id_bloom client_id TYPE bloom_filter(0.01)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (toDate(occurred_at), client_id, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row a change of an order''s price [run=RUN mirror=ID]';

CREATE TABLE `calls`
(
    `project` LowCardinality(String) COMMENT 'project number',
    `client_id` Int64 COMMENT 'Roistat client',
    `event_id` String COMMENT 'stable, unique in its table' CODEC(ZSTD(1)),
    `occurred_at` DateTime64(3, 'UTC') COMMENT 'UTC' CODEC(Delta(8), ZSTD(1)),
    `callee` LowCardinality(Nullable(String)) COMMENT 'number called',
    `caller` Nullable(String) COMMENT 'number calling' CODEC(ZSTD(1)),
    `duration_seconds` Nullable(Int64) COMMENT 'duration in seconds',
    `status` LowCardinality(Nullable(String)) COMMENT 'ANSWER, BUSY, NOANSWER and other outcomes',
    `file_url` Nullable(String) COMMENT 'recording' CODEC(ZSTD(1)),
    `extra` Nullable(String) COMMENT 'all other keys of the API, JSON' CODEC(ZSTD(1)),
    INDEX client_id_bloom client_id TYPE bloom_filter(0.01)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (toDate(occurred_at), client_id, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row a telephone call [run=RUN mirror=ID]';

CREATE TABLE `other_events`
(
    `project` LowCardinality(String) COMMENT 'project number',
    `client_id` Int64 COMMENT 'Roistat client',
    `event_id` String COMMENT 'stable, unique in its table' CODEC(ZSTD(1)),
    `occurred_at` DateTime64(3, 'UTC') COMMENT 'UTC' CODEC(Delta(8), ZSTD(1)),
    `type` LowCardinality(String) COMMENT 'type, by the API',
    `raw` Nullable(String) COMMENT 'the whole item, JSON as received' CODEC(ZSTD(1)),
    INDEX client_id_bloom client_id TYPE bloom_filter(0.01)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (toDate(occurred_at), client_id, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row an event of a type that has no table yet [run=RUN mirror=ID]';

CREATE TABLE `clients`
(
    `project` LowCardinality(String) COMMENT 'project number',
    `client_id` Int64 COMMENT 'Roistat''s id',
    `external_id` Nullable(String) COMMENT 'id in the CRM' CODEC(ZSTD(1)),
    `name` Nullable(String) COMMENT 'name' CODEC(ZSTD(1)),
    `phone` Nullable(String) COMMENT 'phone' CODEC(ZSTD(1)),
    `email` Nullable(String) COMMENT 'email' CODEC(ZSTD(1)),
    `company` Nullable(String) COMMENT 'company' CODEC(ZSTD(1)),
    `birth_date` Nullable(Date32) COMMENT 'birthday',
    `comment` Nullable(String) COMMENT 'comment' CODEC(ZSTD(1)),
    `client_url` Nullable(String) COMMENT 'card in the CRM' CODEC(ZSTD(1)),
    `first_visit_date` Nullable(DateTime64(3, 'UTC')) COMMENT 'first visit, by Roistat' CODEC(Delta(8), ZSTD(1)),
    `first_order_date` Nullable(DateTime64(3, 'UTC')) COMMENT 'first order, by Roistat' CODEC(Delta(8), ZSTD(1)),
    `last_order_date` Nullable(DateTime64(3, 'UTC')) COMMENT 'last order, by Roistat' CODEC(Delta(8), ZSTD(1)),
    `order_count` Nullable(Int64) COMMENT 'orders, by Roistat',
    `revenue` Nullable(Decimal(18,2)) COMMENT 'revenue, by Roistat' CODEC(T64, ZSTD(1)),
    `profit` Nullable(Decimal(18,2)) COMMENT 'profit, by Roistat' CODEC(T64, ZSTD(1)),
    `first_visit_marker` LowCardinality(Nullable(String)) COMMENT 'source of the first visit: code',
    `first_visit_marker_alias` LowCardinality(Nullable(String)) COMMENT 'source of the first visit: title',
    `first_visit_marker_icon` LowCardinality(Nullable(String)) COMMENT 'source of the first visit: icon',
    `first_visit_marker_alias_level_1` LowCardinality(Nullable(String)) COMMENT 'source of the first visit: top level',
    `first_seen_at` DateTime64(3, 'UTC') COMMENT 'first listed to us' CODEC(Delta(8), ZSTD(1)),
    `gone_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'left the list' CODEC(Delta(8), ZSTD(1)),
    `feed_fetched_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'feed last read; null: never read, so silence means nothing' CODEC(Delta(8), ZSTD(1)),
    `extra` Nullable(String) COMMENT 'all other keys of the API, JSON' CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (client_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row a client [run=RUN mirror=ID]';

CREATE TABLE `campaign_contacts`
(
    `project` LowCardinality(String) COMMENT 'project number',
    `campaign_id` Int64 COMMENT 'campaign',
    `contact` String COMMENT 'email' CODEC(ZSTD(1)),
    `metric` LowCardinality(String) COMMENT 'sent, delivered, opened, click, unsubscribe, spam, and new ones as they come',
    `emails` Int64 COMMENT 'emails in that state; only > 0'
)
ENGINE = MergeTree
ORDER BY (campaign_id, metric, contact)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'One row a campaign, contact and metric [run=RUN mirror=ID]';

CREATE TABLE `rejects`
(
    `project` LowCardinality(String) COMMENT 'project number',
    `source` LowCardinality(String) COMMENT 'clients, feed, campaign, import',
    `client_id` Nullable(Int64) COMMENT 'where known',
    `ordinal` Int64 COMMENT 'place in its answer, from 0',
    `type` LowCardinality(Nullable(String)) COMMENT 'item''s type',
    `field` LowCardinality(Nullable(String)) COMMENT 'API name of the field at fault; null: the whole item',
    `reason` LowCardinality(String) COMMENT 'why',
    `raw` Nullable(String) COMMENT 'JSON, at most 64 KiB' CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (source, reason, ordinal)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What could not be used, and why [run=RUN mirror=ID]';

CREATE TABLE IF NOT EXISTS `_partitions`
(
    `run` String COMMENT 'run',
    `table` LowCardinality(String) COMMENT 'table',
    `partition` String COMMENT 'month as 2025-01, or empty',
    `rows` Int64 COMMENT 'rows',
    `digest` String COMMENT 'digest of the rows'
)
ENGINE = MergeTree
ORDER BY (run, `table`, `partition`)
COMMENT 'What each run published: rows and digest of every partition';

CREATE TABLE IF NOT EXISTS `_runs`
(
    `run` String COMMENT 'run',
    `pipeline` LowCardinality(String) COMMENT 'pipeline',
    `project` LowCardinality(String) COMMENT 'project number',
    `started_at` DateTime64(3, 'UTC') COMMENT 'start of the run',
    `finished_at` DateTime64(3, 'UTC') COMMENT 'end of the run',
    `exit_code` Int32 COMMENT 'exit code',
    `outcome` LowCardinality(String) COMMENT 'ok, partial, failed, refused, gated, interrupted',
    `clients` Int64 COMMENT 'live clients',
    `feeds_never_fetched` Int64 COMMENT 'clients whose feed was never read',
    `feeds_left` Int64 COMMENT 'feeds that were due and not read',
    `rejects` Int64 COMMENT 'rows of rejects',
    `oldest_feed_at` Nullable(DateTime64(3, 'UTC')) COMMENT 'when the oldest feed was read',
    `report` String COMMENT 'the whole report, JSON'
)
ENGINE = MergeTree
ORDER BY run
COMMENT 'One row a run that published';

CREATE OR REPLACE VIEW client_journey AS
SELECT project, client_id, occurred_at, event_id, 'visit' AS event_type, visit_id AS ref_id, coalesce(source_title, source_id) AS title, source_id AS status, CAST(NULL AS Nullable(Decimal(18,2))) AS amount FROM visits
UNION ALL SELECT project, client_id, occurred_at, event_id, 'order', order_id, name, status_type, revenue FROM orders
UNION ALL SELECT project, client_id, occurred_at, event_id, 'site_event', meta_id, name, NULL, NULL FROM site_events
UNION ALL SELECT project, client_id, occurred_at, event_id, 'lead_hunter_appearance', NULL, page, NULL, NULL FROM lead_hunter_appearances
UNION ALL SELECT project, client_id, occurred_at, event_id, 'lead_hunter_lead', NULL, page, status, NULL FROM lead_hunter_leads
UNION ALL SELECT project, client_id, occurred_at, event_id, 'order_status_change', order_id, status_title, status_type, NULL FROM order_status_changes
UNION ALL SELECT project, client_id, occurred_at, event_id, 'order_cost_change', order_id, order_title, NULL, cost FROM order_cost_changes
UNION ALL SELECT project, client_id, occurred_at, event_id, 'order_price_change', order_id, order_title, NULL, price FROM order_price_changes
UNION ALL SELECT project, client_id, occurred_at, event_id, 'call', NULL, callee, status, NULL FROM calls
UNION ALL SELECT project, client_id, occurred_at, event_id, 'other', type, NULL, NULL, NULL FROM other_events
COMMENT 'Everything that happened to a client, in one list';

CREATE OR REPLACE VIEW orders_attributed AS
SELECT project, client_id, event_id, order_id, occurred_at, updated_at, name, status, status_type, status_title, revenue, cost, fields,
       visits_before, first_visit_id, first_visit_at, first_source_id, first_source_title,
       last_visit_id, last_visit_at, last_source_id, last_source_title
FROM orders
COMMENT 'Orders with the visits that led to them';

CREATE OR REPLACE VIEW daily_funnel AS
SELECT project, toDate32(occurred_at, 'UTC') AS day,
  count(*) FILTER (WHERE event_type = 'visit') AS visits,
  count(DISTINCT client_id) FILTER (WHERE event_type = 'visit') AS visitors,
  count(*) FILTER (WHERE event_type = 'site_event') AS site_events,
  count(*) FILTER (WHERE event_type = 'lead_hunter_lead') AS leads,
  count(*) FILTER (WHERE event_type = 'call') AS calls,
  count(*) FILTER (WHERE event_type = 'call' AND status = 'ANSWER') AS answered_calls,
  count(*) FILTER (WHERE event_type = 'order') AS orders,
  count(DISTINCT client_id) FILTER (WHERE event_type = 'order') AS buyers,
  count(*) FILTER (WHERE event_type = 'order' AND status = 'paid') AS paid_orders,
  count(*) FILTER (WHERE event_type = 'order' AND status = 'canceled') AS canceled_orders,
  coalesce(sum(amount) FILTER (WHERE event_type = 'order'), 0) AS revenue,
  coalesce(sum(amount) FILTER (WHERE event_type = 'order' AND status = 'paid'), 0) AS paid_revenue
FROM client_journey GROUP BY project, day
COMMENT 'A day is the event''s own; an order counts on the day it was created with its present status and revenue, so past days change';
