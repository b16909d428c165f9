package sim_test

import (
	"os"
	"testing"

	"chatterbox/protocol/mutant"
	"chatterbox/sim"
)

func TestScanMutants(t *testing.T) {
	r := sim.NewRunner()
	for _, p := range []string{"delta", "lockstep"} {
		proto := mutant.Delta
		if p == "lockstep" {
			proto = mutant.Lockstep
		}
		if os.Getenv("PROTO") != "" && os.Getenv("PROTO") != p {
			continue
		}
		for _, m := range mutant.Of(proto) {
			bad := map[string]int{}
			first := map[string]uint64{}
			for seed := range uint64(100) {
				ok, _ := r.Run(sim.Config{Seed: seed, Protocol: p})
				base := map[string]bool{}
				for _, v := range ok.Violations {
					base[v.Check] = true
				}
				res, err := r.Run(sim.Config{Seed: seed, Protocol: p, Mutant: m})
				if err != nil {
					t.Fatal(err)
				}
				seen := map[string]bool{}
				for _, v := range res.Violations {
					if !seen[v.Check] && !base[v.Check] {
						seen[v.Check] = true
						bad[v.Check]++
						if bad[v.Check] == 1 {
							first[v.Check] = seed
						}
					}
				}
			}
			t.Log(p, m, bad, first)
		}
	}
}
