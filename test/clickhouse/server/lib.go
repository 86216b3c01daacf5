package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"unsafe"

	"github.com/ebitengine/purego"
)

// forever opens both ports and keeps clickhouse-local busy with sleeping.
const forever = "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; " +
	"SELECT sleepEachRow(1) FROM numbers(1000000000) SETTINGS " +
	"function_sleep_max_microseconds_per_block=1000000000000000, max_block_size=1 FORMAT Null"

// library holds the functions of libchdb.so that are called.
type library struct {
	query  func(argc int32, argv unsafe.Pointer) uintptr
	result func(uintptr) string
}

// load opens the library.
func load(path string) (*library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("open the library: %w", err)
	}
	var l library
	purego.RegisterLibFunc(&l.query, handle, "chdb_query_cmdline")
	purego.RegisterLibFunc(&l.result, handle, "chdb_result_error")
	return &l, nil
}

// serve runs the server. It returns only if the server could not start or
// broke off.
func (l *library) serve(dir string, tcp, http int) error {
	argv := cStrings("clickhouse",
		"--path", filepath.Join(dir, "data"), "--config-file", filepath.Join(dir, "config.xml"),
		"--log-level", "error", "--listen_host", "127.0.0.1",
		"--tcp_port", strconv.Itoa(tcp), "--http_port", strconv.Itoa(http),
		"--query", forever)
	result := l.query(int32(len(argv)-1), unsafe.Pointer(&argv[0]))
	if result == 0 {
		return errors.New("the server gave no result")
	}
	if text := l.result(result); text != "" {
		return errors.New(text)
	}
	return errors.New("the server ended")
}

// cStrings makes what C calls argv: texts that end in a zero byte, and a null
// pointer after the last.
func cStrings(args ...string) []*byte {
	argv := make([]*byte, len(args)+1)
	for i, a := range args {
		argv[i] = &append([]byte(a), 0)[0]
	}
	return argv
}

// prepare writes the configuration and makes room for a start.
func prepare(dir, extra string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// Tables of a log that an earlier process wrote to stop the next start.
	if err := os.RemoveAll(filepath.Join(dir, "data", "system")); err != nil {
		return err
	}
	for name, text := range map[string]string{"users.xml": users(), "config.xml": config(dir, extra)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
