package sim

import (
	"fmt"
	"net/http"
	"time"
)

// refusal is an answer that says no: one of the API's error codes.
type refusal struct {
	code       string
	text       string
	details    map[string]any
	retryAfter time.Duration
}

func refuse(code, format string, args ...any) *refusal {
	return &refusal{code: code, text: fmt.Sprintf(format, args...)}
}

// Error names the code, so that a refusal can travel as an error.
func (r *refusal) Error() string { return r.code + ": " + r.text }

// statusOf is the HTTP status of an error code where real ones are asked for;
// false if the API has no such code.
func statusOf(code string) (int, bool) {
	switch code {
	case "authentication_failed":
		return http.StatusUnauthorized, true
	case "insufficient_funds", "option_not_available", "option_not_enabled", "option_not_paid":
		return http.StatusPaymentRequired, true
	case "authorization_failed", "access_denied", "project_frozen":
		return http.StatusForbidden, true
	case "resource_not_found":
		return http.StatusNotFound, true
	case "request_limit_error":
		return http.StatusTooManyRequests, true
	case "resource_already_exists", "request_data_validation_error", "incorrect_request":
		return http.StatusBadRequest, true
	case "integration_error", "unknown_error", "internal_error":
		return http.StatusInternalServerError, true
	default:
		return 0, false
	}
}
