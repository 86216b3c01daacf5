package parquet

import (
	"context"

	"roistat-etl/internal/bucket"
	"roistat-etl/load"
)

// Check asks the bucket for a list, and tries everything that a publishing needs
// under a key of its own.
func (b *Bucket) Check(ctx context.Context) []load.Checked {
	list := []load.Checked{checked("s3", b.at.Endpoint()+" answers, and lists "+b.at.String(), b.at.Reach(ctx))}
	if list[0].Err == nil {
		list = append(list, checked("s3 rights", "objects can be written, also on a condition, read, copied and removed", b.at.Try(ctx)))
	}
	return list
}

// checked says what came of a trial.
func checked(what, detail string, err error) load.Checked {
	x := load.Checked{What: what, Detail: detail, Err: err}
	if err == nil {
		return x
	}
	x.Detail, x.Remedy = "", bucket.Remedy(err)
	if x.Remedy == "" {
		x.Remedy = "try again later; if it stays so, check AWS_ENDPOINT_URL_S3 and the network"
		return x
	}
	x.Err = &load.Refusal{Err: err}
	return x
}
