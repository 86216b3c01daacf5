package clickhouse

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"

	"roistat-etl/load"
)

// codeUnknownTable is the server's code of an error.
const codeUnknownTable = 60

// refusals are the codes that mean: trying again won't help, a person must act.
func refusals() []int {
	return []int{
		164, // READONLY
		192, // UNKNOWN_USER
		193, // WRONG_PASSWORD
		194, // REQUIRED_PASSWORD
		195, // IP_ADDRESS_NOT_ALLOWED
		291, // DATABASE_ACCESS_DENIED
		392, // QUERY_IS_PROHIBITED
		446, // FUNCTION_NOT_ALLOWED
		452, // SETTING_CONSTRAINT_VIOLATION
		497, // ACCESS_DENIED
		516, // AUTHENTICATION_FAILED
	}
}

// code returns the server's code of an error; 0 if it is not the server's.
func code(err error) int {
	var e *clickhouse.Exception
	if errors.As(err, &e) {
		return int(e.Code)
	}
	var x *ch.Exception
	if errors.As(err, &x) {
		return int(x.Code)
	}
	return 0
}

func isCode(err error, want int) bool { return err != nil && code(err) == want }

// classify marks what the server refuses for good.
func classify(err error) error {
	if err == nil || load.Refuses(err) {
		return err
	}
	if slices.Contains(refusals(), code(err)) {
		return &load.Refusal{Err: err}
	}
	return err
}

// refuse makes an error that a person must act on.
func refuse(format string, args ...any) error {
	return &load.Refusal{Err: fmt.Errorf(format, args...)}
}
