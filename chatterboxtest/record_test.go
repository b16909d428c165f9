package chatterboxtest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"chatterbox/internal/proof/trace"
)

// verdict is a test that notes what it is told.
type verdict struct {
	testing.TB
	dir  string
	told []string
}

func (v *verdict) Errorf(format string, args ...any) {
	v.told = append(v.told, fmt.Sprintf(format, args...))
}
func (v *verdict) Logf(string, ...any) {}
func (v *verdict) Failed() bool        { return len(v.told) > 0 }
func (v *verdict) ArtifactDir() string { return v.dir }

// TestABrokenPromiseFailsTheTest takes a run as it was, and one in which a member
// has settled the first batch at another place.
func TestABrokenPromiseFailsTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(t, Config{Trace: true})
		for _, name := range c.Names() {
			if _, err := c.Node(name).Broadcast(t.Context(), []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		c.Agree()
		events := slices.Clone(c.record.events())
		judged := &record{header: c.record.header, log: trace.Log{Events: events}}
		v := &verdict{TB: t, dir: t.TempDir()}
		if judged.judge(v); v.Failed() {
			t.Errorf("a good run is judged %q", v.told)
		}
		for i := range events {
			if events[i].Kind == trace.Deliver {
				events[i].Position++
				break
			}
		}
		if judged.judge(v); !v.Failed() || !strings.Contains(v.told[0], "a promise of the protocol is broken") {
			t.Errorf("a bad run is judged %q", v.told)
		}
		for _, name := range []string{"cluster.jsonl", "cluster.html"} {
			if file, err := os.Stat(filepath.Join(v.dir, name)); err != nil || file.Size() < 1000 {
				t.Errorf("%s is not left: %v", name, err)
			}
		}
	})
}
