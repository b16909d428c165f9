package delta

import "testing"

// TestReport: from which change on a peer needs the own row, over links that lose
// and over those that do not.
func TestReport(t *testing.T) {
	var r report
	steps := []struct {
		name            string
		event           func()
		lossy, reliable uint64
	}{
		{"nothing was told", func() {}, 0, 0},
		{"all was told", func() { r.sent = 7 }, 0, 7},
		{"some arrived", func() { r.acknowledge(&flight{stamp: 4}) }, 4, 7},
		{"late", func() { r.acknowledge(&flight{stamp: 2}) }, 4, 7},
		{"a new session", func() { r.linked(0) }, 4, 4},
		{"another start", r.forgetRow, 0, 0},
	}
	for _, step := range steps {
		step.event()
		if lossy, reliable := r.since(false), r.since(true); lossy != step.lossy || reliable != step.reliable {
			t.Errorf("%s: from %d and %d on, want %d and %d", step.name, lossy, reliable, step.lossy, step.reliable)
		}
	}
	r.bindings, r.endTold = true, true
	if r.forget(); r.endTold || r.bindings {
		t.Error("another incarnation is taken to know what the one before knew")
	}
}
