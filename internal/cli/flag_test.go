package cli

import (
	"testing"
	"time"
)

func TestDurationsHaveAUnitOfTheirOwn(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"3": 3 * time.Second, "0.25": 250 * time.Millisecond, "1500ms": 1500 * time.Millisecond,
		"2m": 2 * time.Minute, "0": 0, "-1": -time.Second, "1e2": 100 * time.Second,
	} {
		if got, err := ParseDuration(text, time.Second); err != nil || got != want {
			t.Errorf("%q is %v, error %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "soon", "5 s", "NaN", "Inf", "1e30", "3x", "0x10", "1_000", "0b1", "0x1p-2", "1e400", "-Inf"} {
		if got, err := ParseDuration(text, time.Second); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
	if got, _ := ParseDuration("7", time.Millisecond); got != 7*time.Millisecond {
		t.Errorf("a bare tick is %v", got)
	}
}
