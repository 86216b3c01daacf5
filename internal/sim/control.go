package sim

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"roistat-etl/internal/sim/world"
)

// controls are the calls under /_sim/: no part of the API, no key needed.
func (s *Server) controls() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_sim/stats", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.Stats()) })
	mux.HandleFunc("POST /_sim/reset-stats", func(w http.ResponseWriter, _ *http.Request) {
		s.ResetStats()
		reply(w, s.Stats())
	})
	mux.HandleFunc("POST /_sim/night", s.nightControl)
	mux.HandleFunc("GET /_sim/truth", s.truthControl)
	mux.HandleFunc("POST /_sim/faults", s.faultsControl)
	mux.HandleFunc("POST /_sim/others", s.othersControl)
	mux.HandleFunc("GET /_sim/imported", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.Imported()) })
	return mux
}

// reply writes v as JSON. A client that went away is no concern of ours.
func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", jsonType)
	_ = json.NewEncoder(w).Encode(v)
}

// nightControl moves the world on: ?n=1&share=1%.
func (s *Server) nightControl(w http.ResponseWriter, r *http.Request) {
	n, share := 1, s.opt.NightShare
	var err error
	if v := r.FormValue("n"); v != "" {
		n, err = strconv.Atoi(v)
	}
	if v := r.FormValue("share"); v != "" && err == nil {
		share, err = ParseShare(v)
	}
	if err == nil && (n < 0 || n > maxNights) {
		err = fmt.Errorf("n %d: must be 0 to %d", n, maxNights)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.Night(n, share)
	reply(w, map[string]int{"nights": s.State().Nights(), "clients": s.State().Total()})
}

// DefaultShare is the share of clients a night touches unless told otherwise.
const DefaultShare = 0.01

// maxNights bounds one call; a feed costs a little for every night passed.
const maxNights = 1000

// ParseShare reads 1% or 0.01.
func ParseShare(s string) (float64, error) {
	number, percent := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(number, 64)
	if percent {
		f /= 100
	}
	if err != nil || !(f >= 0 && f <= 1) {
		return 0, fmt.Errorf("share %q: must be 0%% to 100%% or 0 to 1", s)
	}
	return f, nil
}

// faultsControl sets the faults: a list of them, [] for none.
func (s *Server) faultsControl(w http.ResponseWriter, r *http.Request) {
	var faults []Fault
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(&faults)
	if err == nil {
		err = s.SetFaults(faults)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reply(w, map[string]int{"faults": len(faults)})
}

// truthControl streams the truth: the rows of ?table=T, or all of them each as
// {"table":T,"row":{…}}.
func (s *Server) truthControl(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	if err := WriteTruth(w, s.State(), r.FormValue("table")); err != nil {
		panic(http.ErrAbortHandler) // a torn stream must not look whole
	}
}

// WriteTruth writes the truth of a state as NDJSON: the rows of one table, or
// with table "" all of them, each as {"table":T,"row":{…}}.
func WriteTruth(w io.Writer, state *world.State, table string) error {
	out := bufio.NewWriterSize(w, 64<<10)
	err := state.Truth(func(t string, row []byte) error {
		if table != "" && t != table {
			return nil
		}
		var err error
		if table != "" {
			_, err = fmt.Fprintf(out, "%s\n", row)
		} else {
			_, err = fmt.Fprintf(out, "{\"table\":%q,\"row\":%s}\n", t, row)
		}
		return err
	})
	if err != nil {
		return err
	}
	return out.Flush()
}
