// Package clickhousetest gives tests a real ClickHouse: a server of their own
// that can be killed and started again, or one that the tests of a process
// share; and a proxy between client and server that breaks things at a chosen
// byte. `make clickhouse` installs the server; without it the tests fail.
//
// A package that uses [Shared] ends it in its TestMain:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(clickhousetest.Main(m)) }
//
// # Users
//
// All have the password [Password]. admin may do everything; the others may
// touch databases whose names begin with roistat, at most:
//
//   - etl: all that the loader needs;
//   - etl_full: the same, but each INSERT finds the disk full;
//   - etl_readonly: the same, but only reading is let through;
//   - etl_poor: SELECT and CREATE TABLE only;
//   - without_RIGHT: what etl has but that right: select, insert, alter,
//     create_database, create_table, create_view, drop_table, drop_view,
//     table_engine, select_on_system_parts; a right to tables implies that to
//     views, so the two for views lack the one to tables too;
//   - bi: SELECT;
//   - nothing: may log in.
//
// # Bounds
//
// A server takes 200 to 250 MB when idle and 2 GB at most. A link through a
// proxy takes 64 KiB. Servers and proxies end with the test that started them,
// and a server ends with its process, whatever kills that.
package clickhousetest
