package main

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
)

// password is that of every user but default, who has none.
const password = "secret"

// rights are what the loader needs, one GRANT each. A user without_RIGHT lacks
// that one.
func rights() []string {
	return []string{
		"SELECT ON roistat*.*",
		"INSERT ON roistat*.*",
		"ALTER ON roistat*.*",
		"CREATE DATABASE ON roistat*.*",
		"CREATE TABLE ON roistat*.*",
		"CREATE VIEW ON roistat*.*",
		"DROP TABLE ON roistat*.*",
		"DROP VIEW ON roistat*.*",
		"TABLE ENGINE ON MergeTree",
		"SELECT ON system.parts",
	}
}

// without returns all rights but one. A right to tables implies that to views,
// which therefore can't be missing alone.
func without(right string) []string {
	return slices.DeleteFunc(rights(), func(r string) bool {
		return r == right || r == strings.Replace(right, " VIEW ", " TABLE ", 1)
	})
}

// users is users.xml. The file is read at the start only, and CREATE USER does
// not exist here.
func users() string {
	all := rights()
	var b strings.Builder
	b.WriteString(`<clickhouse>
<profiles>
	<default/>
	<readonly><readonly>2</readonly></readonly>
	<full><min_free_disk_bytes_to_perform_insert>1000000000000000000</min_free_disk_bytes_to_perform_insert></full>
`)
	for _, p := range profiles() {
		fmt.Fprintf(&b, "\t<%s>%s</%s>\n", p.name, p.settings, p.name)
	}
	b.WriteString(`</profiles>
<quotas><default/></quotas>
<users>
`)
	// default runs the query that keeps the server up: it must exist, without a
	// password, for 127.0.0.1.
	user(&b, "default", "", "default", "SYSTEM LISTEN ON *.*")
	user(&b, "admin", password, "default", "ALL ON *.*")
	user(&b, "etl", password, "default", all...)
	user(&b, "etl_full", password, "full", all...)
	user(&b, "etl_poor", password, "default", "SELECT ON roistat*.*", "CREATE TABLE ON roistat*.*")
	user(&b, "etl_readonly", password, "readonly", all...)
	user(&b, "bi", password, "readonly", "SELECT ON roistat*.*")
	user(&b, "nothing", password, "default")
	for _, p := range profiles() {
		user(&b, p.name, password, p.name, all...)
	}
	for _, right := range all {
		user(&b, "without_"+name(right), password, "default", without(right)...)
	}
	b.WriteString("</users>\n</clickhouse>\n")
	return b.String()
}

// profile is one that an administrator may have given the loader's user.
type profile struct{ name, settings string }

// profiles are those under which a night must come to its end, and, named
// pinned_…, those that forbid to set what they set. Their users have their names.
func profiles() []profile {
	var all []profile
	for _, p := range [][2]string{
		{"rows", "<limit>1</limit><offset>1</offset><extremes>1</extremes><final>1</final><use_query_cache>1</use_query_cache>" +
			"<additional_result_filter>rows = 1</additional_result_filter>"},
		{"breaks", "<max_rows_to_read>3</max_rows_to_read><read_overflow_mode>break</read_overflow_mode>" +
			"<max_result_rows>1</max_result_rows><result_overflow_mode>break</result_overflow_mode>" +
			"<max_rows_to_group_by>1</max_rows_to_group_by><group_by_overflow_mode>any</group_by_overflow_mode>" +
			"<max_rows_to_sort>1</max_rows_to_sort><sort_overflow_mode>break</sort_overflow_mode>" +
			"<max_rows_in_distinct>1</max_rows_in_distinct><distinct_overflow_mode>break</distinct_overflow_mode>"},
		{"meanings", "<data_type_default_nullable>1</data_type_default_nullable><join_use_nulls>1</join_use_nulls><transform_null_in>1</transform_null_in>" +
			"<aggregate_functions_null_for_empty>1</aggregate_functions_null_for_empty><cast_keep_nullable>1</cast_keep_nullable>" +
			"<prefer_column_name_to_alias>1</prefer_column_name_to_alias>"},
		{"strict", "<force_primary_key>1</force_primary_key><force_index_by_date>1</force_index_by_date><max_columns_to_read>1</max_columns_to_read>"},
		{"inserts", "<async_insert>1</async_insert><wait_for_async_insert>0</wait_for_async_insert><insert_deduplicate>0</insert_deduplicate>" +
			"<max_partitions_per_insert_block>1</max_partitions_per_insert_block><max_threads>1</max_threads><max_block_size>10</max_block_size>"},
		{"drops", "<max_table_size_to_drop>1</max_table_size_to_drop><max_partition_size_to_drop>1</max_partition_size_to_drop>" +
			"<database_atomic_wait_for_drop_and_detach_synchronously>1</database_atomic_wait_for_drop_and_detach_synchronously>"},
		{"one_query", "<max_concurrent_queries_for_user>1</max_concurrent_queries_for_user>"},
		{"two_queries", "<max_concurrent_queries_for_user>2</max_concurrent_queries_for_user>"},
		{"pinned_extremes", "<extremes>1</extremes><constraints><extremes><const/></extremes></constraints>"},
		{"pinned_dropping", "<max_table_size_to_drop>1</max_table_size_to_drop><constraints><max_table_size_to_drop><const/></max_table_size_to_drop></constraints>"},
		{"pinned_all", "<readonly>1</readonly>"},
	} {
		all = append(all, profile{"profile_" + p[0], p[1]})
	}
	return all
}

// name makes part of a user's name of a right: alter, table_engine,
// select_on_system_parts.
func name(right string) string {
	short, _, _ := strings.Cut(right, " ON roistat")
	short = strings.TrimSuffix(short, " ON MergeTree")
	return strings.ToLower(strings.NewReplacer(" ", "_", ".", "_").Replace(short))
}

func user(b *strings.Builder, name, password, profile string, grants ...string) {
	fmt.Fprintf(b, "<%s><password>%s</password><networks><ip>127.0.0.1</ip></networks><profile>%s</profile><quota>default</quota><grants>\n",
		name, password, profile)
	for _, g := range grants {
		fmt.Fprintf(b, "\t<query>GRANT %s</query>\n", g)
	}
	if len(grants) == 0 { // no grants at all would mean all of them
		b.WriteString("\t<query>REVOKE ALL ON *.*</query>\n")
	}
	fmt.Fprintf(b, "</grants></%s>\n", name)
}

// config is config.xml, with the elements in extra at its end.
func config(dir, extra string) string {
	var path strings.Builder
	if err := xml.EscapeText(&path, []byte(dir)); err != nil {
		panic(err) // a strings.Builder takes everything
	}
	return fmt.Sprintf(`<clickhouse>
<users_config>%s/users.xml</users_config>
<max_server_memory_usage>2000000000</max_server_memory_usage>
%s
</clickhouse>
`, path.String(), extra)
}
