package sim_test

import (
	"fmt"
	"testing"
	"time"

	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"
)

// returns are runs in which a member writes alone, is evicted, and comes back. What it
// wrote alone settles once, in order, before what it writes then: each number stands
// for one entry of its own, so all checks together say that.
func returns() map[string]string {
	const lines = `
500ms  c <-> *  cut
1s     a  evict c
2s     c <-> *  heal
`
	return map[string]string{
		"at once":                  lines + "2500ms  c  return\n",
		"after a restart":          lines + "2500ms  c  kill\n3s  c  restart\n3500ms  c  return\n",
		"a restart in the middle":  lines + "2500ms  c  return\n2520ms  c  crash\n3s  c  restart\n3500ms  c  return\n",
		"in the middle of writing": lines + "2500ms  c  return\n2560ms  c  kill\n3s  c  restart\n",
		"twice":                    lines + "2500ms  c  return\n3s  c <-> *  cut\n3200ms  b  evict c\n3600ms  c <-> *  heal\n4s  c  return\n",
		"again before it is done":  lines + "2500ms  c  return\n2545ms  a  evict c\n3s  c  return\n3100ms c return\n",
		"while another one is away": `
500ms  c <-> *  cut
1s     a  evict c
1500ms d  pause
2s     c <-> *  heal
2500ms c  return
4s     d  resume
`,
	}
}

// holds runs a case, lets a sink see its events, and demands that all promises hold.
func holds(t *testing.T, name, text string, sink trace.Sink) sim.Result {
	t.Helper()
	config, err := sim.ParseCase([]byte(text), name)
	if err != nil {
		t.Fatal(err)
	}
	config.Sink = sink
	return mustHold(t, sim.NewRunner(), config)
}

func TestWhoWasEvictedComesBack(t *testing.T) {
	for name, text := range returns() {
		for _, kind := range []string{"", "journal", "journal torn park=4096 segment=1024 history"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				if kind == "" && (name == "after a restart" || name == "a restart in the middle" || name == "in the middle of writing") {
					t.Skip("without a journal nothing is left to come back with")
				}
				t.Parallel()
				head := "# run: protocol=delta members=4 seed=5 send=5s grace=60s changes rates=60,20,60,20 batch=4 delay=1ms..4ms " + kind + "\n"
				var watch returning
				holds(t, name, head+text, &watch)
				if watch.opened == 0 || watch.again == 0 {
					t.Errorf("c came back %d times, and wrote %d batches again", watch.opened, watch.again)
				}
			})
		}
	}
}

// returning counts how often a stream goes on, and what is written again.
type returning struct {
	opened int
	again  int
	last   uint64
	at     time.Duration
}

func (r *returning) Tell(e *trace.Event) {
	switch {
	case e.Kind == trace.Opens && e.Member == e.Stream && e.Number > 0 && e.At != r.at:
		r.opened, r.at = r.opened+1, e.At
	case e.Kind == trace.Append && e.Member == 2 && e.Stream == 2:
		if e.Seq <= r.last && r.opened > 0 {
			r.again++
		}
		r.last = max(r.last, e.Seq)
	}
}

// TestWhoWasEvictedComesWithAnOlderFolder: what it lacks of its own the others hold, up to
// where they cut it, so it reads, and comes back.
func TestWhoWasEvictedComesWithAnOlderFolder(t *testing.T) {
	for name, text := range map[string]string{
		"reads":              "2s c crash restoring data of 700ms ago\n2200ms a evict c\n3s c restart\n",
		"comes back":         "2s c crash restoring data of 700ms ago\n2200ms a evict c\n3s c restart\n4s c return\n",
		"is cut off for now": "2s c crash restoring data of 700ms ago\n2100ms c <-> * cut\n2200ms a evict c\n2500ms c restart\n3500ms c <-> * heal\n4500ms c return\n",
		"twice":              "1s a evict c\n1500ms c return\n2500ms c crash restoring data of 500ms ago\n2600ms a evict c\n3500ms c restart\n4500ms c return\n",
	} {
		for members := 3; members <= 5; members++ {
			t.Run(fmt.Sprint(name, " ", members), func(t *testing.T) {
				t.Parallel()
				head := fmt.Sprintf("# run: protocol=delta members=%d seed=5 send=6s grace=60s changes batch=4 delay=1ms..4ms journal\n", members)
				holds(t, name, head+text, nil)
			})
		}
	}
}
