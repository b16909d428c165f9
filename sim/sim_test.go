package sim_test

import (
	"os"
	"strconv"
	"testing"

	"chatterbox/sim"
	"chatterbox/trace"
)

func TestSome(t *testing.T) {
	r := sim.NewRunner()
	bad := map[string]int{}
	first := map[string]uint64{}
	from, n := uint64(0), uint64(100)
	if v := os.Getenv("FROM"); v != "" {
		from, _ = strconv.ParseUint(v, 10, 64)
	}
	if v := os.Getenv("N"); v != "" {
		n, _ = strconv.ParseUint(v, 10, 64)
	}
	show := os.Getenv("SHOW")
	showMax, _ := strconv.Atoi("0" + os.Getenv("MAX"))
	showMax = max(showMax, 3)
	for seed := from; seed < from+n; seed++ {
		cfg := sim.Config{Seed: seed, Protocol: os.Getenv("PROTO")}
		if f := os.Getenv("TRACE"); f != "" {
			h, _ := sim.Prepare(cfg)
			out, _ := os.Create(f)
			w := trace.NewWriter(out, h)
			cfg.Sink = w
			defer w.Close()
		}
		res, err := r.Run(cfg)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, v := range res.Violations {
			if !seen[v.Check] {
				seen[v.Check] = true
				bad[v.Check]++
				if bad[v.Check] == 1 {
					first[v.Check] = seed
				}
				if bad[v.Check] <= showMax && (show == "" || show == v.Check) {
					t.Logf("seed %d ending %d streams %v journal %v progress %v alike %v: %d events, %d msgs, %d entries, %v virtual, %d violations", seed, res.Shape.Ending, res.Shape.Streams, res.Shape.Journal, res.Header.Progress, res.Header.Alike, res.Events, res.Messages, res.Entries, res.Virtual, res.Count)
					t.Log("   ", v); if os.Getenv("ALL")!="" {for _, x := range res.Violations {t.Log("      ",x)}}
					if os.Getenv("MAP") != "" {
						t.Log("\n" + res.Map.String())
					}
				}
			}
		}
	}
	t.Log(bad, first)
}
