package sim_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"roistat-etl/internal/sim"
)

func TestOthersUseTheQuota(t *testing.T) {
	for _, c := range []struct {
		name   string
		others string
		want   []int // calls left for us, every two seconds
	}{
		{"steady", "per_second=3", []int{7, 7, 7}},
		{"with an hour of their own", "per_second=3,per_hour=3", []int{7, 10, 10}},
		{"come and go", "per_second=10,on=1s,off=2s", []int{0, 10, 10, 0}},
		{"none", "per_second=0", []int{10, 10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, err := sim.ParseOthers(c.others)
				if err != nil {
					t.Fatal(err)
				}
				a := newAPI(t, func(s *sim.Options) { s.PerSecond, s.Others = 10, o })
				time.Sleep(999 * time.Millisecond)
				for i, want := range c.want {
					if got := a.calls(10); got != want {
						t.Errorf("ask %d: %d calls left, want %d", i, got, want)
					}
					time.Sleep(2 * time.Second)
				}
			})
		})
	}
}

func TestOthersOverTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, func(o *sim.Options) { o.PerHour = 10 })
		if r := a.do("POST", "/_sim/others", `{"PerSecond":1,"PerHour":8,"On":"30m","Off":"1h"}`); r.StatusCode != 200 {
			t.Fatalf("%s", r.body)
		}
		time.Sleep(time.Minute)
		if n := a.calls(5); n != 2 {
			t.Errorf("%d calls left, want 2", n)
		}
		if got, want := a.server.Stats().Others, (sim.OthersStats{Calls: 8}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		a.do("POST", "/_sim/others", `{}`)
		time.Sleep(time.Hour)
		if n := a.calls(12); n != 10 {
			t.Errorf("%d calls left without others, want 10", n)
		}
		for _, bad := range []string{`{"PerSecond":-1}`, `{"On":"x"}`, `{"Off":"1s"}`, `{"PerHour":-1}`, `{"per":1}`} {
			if r := a.do("POST", "/_sim/others", bad); r.StatusCode != 400 {
				t.Errorf("%s: %d", bad, r.StatusCode)
			}
		}
	})
}

func TestParseOthersRejects(t *testing.T) {
	for text, want := range map[string]string{
		"": "no key", "per_second=x": "invalid syntax", "per_second=NaN": "must be 0", "per_second=2000": "must be 0",
		"per_hour=-1": "below 0", "off=1s": "needs on", "on=-1s": "below 0",
	} {
		if _, err := sim.ParseOthers(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
