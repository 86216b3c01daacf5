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
</profiles>
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
	for _, right := range all {
		user(&b, "without_"+name(right), password, "default", without(right)...)
	}
	b.WriteString("</users>\n</clickhouse>\n")
	return b.String()
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
