package sim_test

import (
	"testing"

	"chatterbox/sim"
)

func TestSome(t *testing.T) {
	r := sim.NewRunner()
	bad := map[string]int{}
	for seed := range uint64(60) {
		res, err := r.Run(sim.Config{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("seed %d ending %d streams %v journal %v progress %v alike %v: %d events, %d msgs, %d entries, %v virtual, %d violations", seed, res.Shape.Ending, res.Shape.Streams, res.Shape.Journal, res.Header.Progress, res.Header.Alike, res.Events, res.Messages, res.Entries, res.Virtual, res.Count)
		for i, v := range res.Violations {
			bad[v.Check]++
			if i < 3 {
				t.Log("   ", v)
			}
		}
	}
	t.Log(bad)
}
