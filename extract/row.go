package extract

import (
	"time"

	"github.com/go-faster/jx"

	"roistat-etl/extract/api"
)

// identify finds a client's id and latest date in its row. False means there is
// no usable id. Of equal keys the last counts.
func identify(raw []byte) (id int64, active time.Time, ok bool) {
	d := jx.DecodeBytes(raw)
	if d.Next() != jx.Object {
		return 0, time.Time{}, false
	}
	err := d.ObjBytes(func(d *jx.Decoder, key []byte) error {
		switch string(key) {
		case "id":
			v, err := d.Raw()
			id, ok = api.Whole(v)
			return err
		case "first_visit_date", "first_order_date", "last_order_date":
			if d.Next() != jx.String {
				return d.Skip()
			}
			s, err := d.Str()
			if t := date(s); t.After(active) {
				active = t
			}
			return err
		}
		return d.Skip()
	})
	return id, active, ok && err == nil
}

// date reads the beginning of a date, whatever its spelling of the rest: it only
// orders clients. Unreadable is the zero time.
func date(s string) time.Time {
	for _, layout := range []string{"2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if len(s) < len(layout) {
			continue
		}
		if t, err := time.Parse(layout, s[:len(layout)]); err == nil && t.Year() > 1970 {
			return t
		}
	}
	return time.Time{}
}
