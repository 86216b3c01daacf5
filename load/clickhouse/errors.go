package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"

	"roistat-etl/load"
)

// Codes of the server's errors.
const (
	codeUnknownTable      = 60
	codeReadOnly          = 164
	codeDropLimit         = 359 // TABLE_SIZE_EXCEEDS_MAX_DROP_SIZE_LIMIT
	codeSettingConstraint = 452
)

// refusals are the codes that mean: trying again won't help, a person must act.
func refusals() []int {
	return []int{
		codeReadOnly,
		192, // UNKNOWN_USER
		193, // WRONG_PASSWORD
		194, // REQUIRED_PASSWORD
		195, // IP_ADDRESS_NOT_ALLOWED
		291, // DATABASE_ACCESS_DENIED
		codeDropLimit,
		392, // QUERY_IS_PROHIBITED
		446, // FUNCTION_NOT_ALLOWED
		codeSettingConstraint,
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

// explain makes of an error of the driver's one that can be shown: in one line,
// without the password, which the server may have told back, with the reason why
// its context has ended, if it has, and marked if the server refuses for good.
func (d *Destination) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return classify(d.secrets.Error(withCause(ctx, err)))
}

// withCause adds to an error why its context has ended, if it has.
func withCause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil && !errors.Is(err, why) {
		return errors.Join(why, err)
	}
	return err
}

// classify marks what the server refuses for good.
func classify(err error) error {
	if err == nil || load.Refuses(err) {
		return err
	}
	var forbidden *settingsError
	if slices.Contains(refusals(), code(err)) || errors.As(err, &forbidden) {
		return &load.Refusal{Err: err}
	}
	return err
}

// refuse makes an error that a person must act on.
func refuse(format string, args ...any) error {
	return &load.Refusal{Err: fmt.Errorf(format, args...)}
}
