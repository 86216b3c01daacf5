package sim

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseFault reads a fault as the command line has it:
// kind=error,code=internal_error,share=2%,times=1 or kind=html,clients=3;7.
func ParseFault(text string) (Fault, error) {
	var f Fault
	for _, part := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			return Fault{}, fmt.Errorf("fault %q: %q is no key=value", text, part)
		}
		if err := f.set(key, value); err != nil {
			return Fault{}, fmt.Errorf("fault %q: %w", text, err)
		}
	}
	return f, nil
}

func (f *Fault) set(key, value string) (err error) {
	switch key {
	case "kind":
		f.Kind = value
	case "method":
		f.Method = value
	case "code":
		f.Code = value
	case "share":
		f.Share, err = ParseShare(value)
	case "times":
		f.Times, err = strconv.Atoi(value)
	case "n":
		f.N, err = strconv.Atoi(value)
	case "ids":
		f.IDs = strings.Split(value, ";")
	case "clients":
		f.Clients, err = parseIDs(value)
	default:
		err = fmt.Errorf("there is no key %q", key)
	}
	return err
}

func parseIDs(text string) ([]int64, error) {
	var ids []int64
	for _, part := range strings.Split(text, ";") {
		id, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("client %q: not a whole number", part)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
