package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"

	"roistat-etl/schemas"
)

// setting is one that our statements carry, so that they mean the same under any
// profile of the user.
type setting struct {
	name, value string
	// vital ones change what a statement says or gives. One that is not, and that
	// the profile forbids to set, is left as the profile has it.
	vital bool
}

// statementSettings are the settings that every statement carries. All of them
// exist since 24.8, the oldest server that will do.
func statementSettings() []setting {
	var all []setting
	for _, s := range [][2]string{
		// What a question gives: all its rows, and nothing else.
		{"limit", "0"}, {"offset", "0"}, {"extremes", "0"}, {"final", "0"}, {"use_query_cache", "0"},
		{"additional_table_filters", "{}"}, {"additional_result_filter", ""},
		{"max_rows_to_read", "0"}, {"max_bytes_to_read", "0"}, {"max_rows_to_read_leaf", "0"}, {"max_bytes_to_read_leaf", "0"},
		{"max_result_rows", "0"}, {"max_result_bytes", "0"}, {"max_rows_to_group_by", "0"}, {"max_rows_to_sort", "0"},
		{"max_rows_in_distinct", "0"}, {"max_rows_in_set", "0"}, {"max_columns_to_read", "0"}, {"max_partitions_to_read", "-1"},
		{"read_overflow_mode", "throw"}, {"read_overflow_mode_leaf", "throw"}, {"result_overflow_mode", "throw"},
		{"group_by_overflow_mode", "throw"}, {"sort_overflow_mode", "throw"}, {"distinct_overflow_mode", "throw"},
		{"set_overflow_mode", "throw"}, {"timeout_overflow_mode", "throw"}, {"timeout_overflow_mode_leaf", "throw"},
		{"force_primary_key", "0"}, {"force_index_by_date", "0"}, {"force_data_skipping_indices", ""},
		// What an expression means.
		{"join_use_nulls", "0"}, {"transform_null_in", "0"}, {"aggregate_functions_null_for_empty", "0"},
		{"empty_result_for_aggregation_by_empty_set", "0"}, {"cast_keep_nullable", "0"}, {"prefer_column_name_to_alias", "0"},
		{"low_cardinality_allow_in_native_format", "1"},
		// What a table becomes, and when a statement has ended.
		{"data_type_default_nullable", "0"}, {"alter_sync", "1"}, {"mutations_sync", "1"}, {"select_sequential_consistency", "1"},
		// How rows arrive.
		{"async_insert", "0"}, {"insert_deduplicate", "1"}, {"max_partitions_per_insert_block", fmt.Sprint(maxTogether)},
	} {
		all = append(all, setting{s[0], s[1], true})
	}
	return append(all,
		// Tables are dropped as a run's last step, however large: above these limits
		// each night would leave one more.
		setting{name: "max_table_size_to_drop", value: "0"}, setting{name: "max_partition_size_to_drop", value: "0"},
		// A DROP without SYNC must not wait for those who read.
		setting{name: "database_atomic_wait_for_drop_and_detach_synchronously", value: "0"},
	)
}

// carriedSettings are those that statements carry, once the destination is open.
func (d *Destination) carriedSettings() []setting {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.settings
}

// forDriver gives the settings as clickhouse-go takes them.
func forDriver(list []setting) clickhouse.Settings {
	out := clickhouse.Settings{}
	for _, s := range list {
		out[s.name] = s.value
	}
	return out
}

// forBlocks gives the settings as ch-go takes them.
func forBlocks(list []setting) []ch.Setting {
	out := make([]ch.Setting, len(list))
	for i, s := range list {
		out[i] = ch.Setting{Key: s.name, Value: s.value, Important: true}
	}
	return out
}

// allowedSettings tries which settings the user's profile lets a statement carry.
// It refuses a profile that forbids a vital one.
func (d *Destination) allowedSettings(ctx context.Context) ([]setting, error) {
	all := statementSettings()
	err := d.trySettings(ctx, all)
	if err == nil || !forbidsSetting(err) {
		return all, err
	}
	var allowed []setting
	var forbidden []string
	for _, s := range all {
		err := d.trySettings(ctx, []setting{s})
		switch {
		case err == nil:
			allowed = append(allowed, s)
		case !forbidsSetting(err):
			return nil, err
		case s.vital:
			forbidden = append(forbidden, fmt.Sprintf("%s = %q", s.name, s.value))
		}
	}
	if len(forbidden) > 0 {
		return nil, classify(&settingsError{user: d.user, forbidden: forbidden, err: err})
	}
	return allowed, nil
}

// trySettings asks for nothing under the settings.
func (d *Destination) trySettings(ctx context.Context, list []setting) (err error) {
	conn, err := d.connect(ctx, "", list)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	ctx, stop := boundSilence(ctx)
	defer stop()
	return untilNotBusy(ctx, func() error { return d.explain(ctx, conn.Exec(ctx, "SELECT 1")) })
}

// forbidsSetting reports whether an error says that a setting may not be changed.
func forbidsSetting(err error) bool {
	return isCode(err, codeSettingConstraint) || isCode(err, codeReadOnly)
}

// settingsError says which settings a profile forbids that every statement needs.
type settingsError struct {
	user      string
	forbidden []string
	err       error
}

// Error names the settings.
func (e *settingsError) Error() string {
	text := strings.Join(e.forbidden, ", ")
	if len(e.forbidden) > 3 {
		text = fmt.Sprintf("%s and %d more", strings.Join(e.forbidden[:3], ", "), len(e.forbidden)-3)
	}
	return fmt.Sprintf("the profile of the user %s has other values than a run needs, and forbids to set %s: %v", e.user, text, e.err)
}

// Unwrap returns the server's answer.
func (e *settingsError) Unwrap() error { return e.err }

// remedy says what lets the settings be set.
func (e *settingsError) remedy() string {
	return "take the constraints of these settings (and readonly = 1) out of the profile of " + schemas.Ident(e.user) + ", or give the run a user with a profile of its own"
}
