package workload

import (
	"encoding/json"
	"math"
	"testing"
)

func TestSeedIsExactInJSON(t *testing.T) {
	for seed, want := range map[Seed]string{0: "0", 7: "7", 1<<53 - 1: "9007199254740991", 1 << 53: `"9007199254740992"`, math.MaxUint64: `"18446744073709551615"`} {
		text, err := json.Marshal(seed)
		if err != nil || string(text) != want {
			t.Errorf("%d is written as %s, %v", seed, text, err)
		}
		var again Seed
		if err := json.Unmarshal(text, &again); err != nil || again != seed {
			t.Errorf("%s is read as %d, %v", text, again, err)
		}
	}
	for _, text := range []string{"9007199254740992", "-1", "1.5", `"x"`, "null", "1e3", `"18446744073709551616"`} {
		if err := json.Unmarshal([]byte(text), new(Seed)); err == nil {
			t.Errorf("%s is taken for a seed", text)
		}
	}
}
