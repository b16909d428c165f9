package film

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"
)

// film simulates a cluster and returns the steps of its film.
func film(t *testing.T, config sim.Config) []*Step {
	t.Helper()
	header, err := sim.Prepare(config)
	if err != nil {
		t.Fatal(err)
	}
	var steps []*Step
	f := New(header, func(s *Step) { steps = append(steps, s) })
	config.Sink = f
	if _, err := sim.Run(config); err != nil {
		t.Fatal(err)
	}
	f.End()
	return steps
}

// steady is a run in which all members write and everything is usual.
func steady(t *testing.T, members int, text string) sim.Config {
	t.Helper()
	m, err := failure.Parse(strings.NewReader(text), "test")
	if err != nil {
		t.Fatal(err)
	}
	if m == nil {
		m = failure.Map{}
	}
	shape := sim.Shape{
		Tick: 10 * time.Millisecond, BatchMax: 1, Journal: true, SegmentBytesMax: 1 << 20, TrimNoticeBytes: 8 << 20, MemoryBytesMax: 1 << 20,
		MessageBytesMax: 64 << 10, WindowBytesMax: 1 << 20, DelayMin: 2 * time.Millisecond, DelayMax: 9 * time.Millisecond,
	}
	for range members {
		shape.Rates = append(shape.Rates, 10)
	}
	return sim.Config{Seed: 3, Members: members, Map: m, Shape: &shape}
}

// words joins what was said, a line each.
func words(steps []*Step) string {
	var text strings.Builder
	for _, s := range steps {
		for _, w := range s.Words {
			text.WriteString(w.Text + "\n")
		}
	}
	return text.String()
}

func headlines(steps []*Step) string {
	var text strings.Builder
	for _, s := range steps {
		if s.Headline != nil {
			text.WriteString(s.Headline.Say + " / " + s.Headline.Sub + "\n")
		}
	}
	return text.String()
}

func TestStoryOfACutAndAHeal(t *testing.T) {
	steps := film(t, steady(t, 5, "1s a,b <-> c,d,e cut\n3s a,b <-> c,d,e heal"))
	said := words(steps)
	rest := said
	for _, want := range []string{
		"all have met; settling begins", "a, b lose c, d, e", "a, b wait for c, d, e; c, d, e wait for a, b",
		"a, b find c, d, e again", "settling goes on; ", "nobody writes any more", "complete: all hold the same ",
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("%q is missing at its place in:\n%s", want, said)
		}
		rest = after
	}
	shown := headlines(steps)
	for _, want := range []string{
		"All five hear each other.", "Two parts, each on its own: a b | c d e / a, b wait for c, d, e; c, d, e wait for a, b: {lag} by now.",
		"Together again: ", "Complete. All members hold one log.",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is missing in:\n%s", want, shown)
		}
	}
}

func TestWhoLosesAllLosesAllOthers(t *testing.T) {
	said := words(film(t, steady(t, 3, "1s c <-> * cut\n2s * <-> * heal\n3s * -> b cut")))
	for _, want := range []string{"c loses all others\n", "all links are well again\n", "b no longer hears all others\n"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing in:\n%s", want, said)
		}
	}
}

func TestStoryOfMembers(t *testing.T) {
	said := words(film(t, steady(t, 3, "1s c crash\n2s c restart\n3s b pause\n3500ms b resume\n4s a crash losing data")))
	for _, want := range []string{
		"c crashes\n", "a, b wait for c\n", "c is back, with its data\n", "b stands still\n", "b goes on", "a crashes and loses its data\n", "partial: ",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing in:\n%s", want, said)
		}
	}
}

// TestStoryOfAView has the others go on without c, which is cut off and learns of
// it later: what it had written alone is lost, and nobody waits for it.
func TestStoryOfAView(t *testing.T) {
	config := steady(t, 3, "1s c <-> * cut\n2s b evict c\n4s c <-> * heal")
	config.Shape.Changes, config.Shape.Holders = true, 2
	steps := film(t, config)
	rest := words(steps)
	for _, want := range []string{
		"a, b wait for c; c waits for a, b\n", "view 2: the members are a, b; c was evicted\n", "settling goes on; ", "nobody writes any more\n",
		"complete: all hold the same ",
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("%q is missing at its place in:\n%s", want, words(steps))
		}
		rest = after
	}
	if shown := headlines(steps); !strings.Contains(shown, "a, b go on without c. Everything settles.") {
		t.Errorf("headlines:\n%s", shown)
	}
	lost, out := map[int64]int{}, false // of c, and by the decision of the others
	for _, s := range steps {
		for i := 0; i < len(s.Lost); i += 3 {
			lost[s.Lost[i+1]]++
			if decided := s.Lost[i+2] > 2e6; !decided || s.Lost[i+1] >= 0 && (s.Lost[i+1] != 2 || s.Lost[i+2] < 4e6) {
				t.Errorf("batch %d is lost at %d us for member %d", s.Lost[i], s.Lost[i+2], s.Lost[i+1])
			}
		}
		for _, m := range s.Members {
			if m.ID == 2 {
				out = m.Out
			} else if m.Out {
				t.Errorf("member %d is out", m.ID)
			}
		}
	}
	if lost[2] == 0 || lost[2] != lost[-1] || !out {
		t.Errorf("c drops %d batches of %d that are lost; it is out: %v", lost[2], lost[-1], out)
	}
	end := play(t, steps)
	if c := end.members[2]; c.Held != c.Settled || c.Settled != end.members[0].Settled {
		t.Errorf("in the end c holds %d, of which %d have settled, a has settled %d", c.Held, c.Settled, end.members[0].Settled)
	}
}

// board is what a page knows after some steps, kept the slow way.
type board struct {
	held, settled map[[2]int64]bool
	members       map[int]Member
	links         map[[2]int]string
	entries       map[int64]uint64 // of each batch
	frames        int
	lost          int
	sent          int
}

func play(t *testing.T, steps []*Step) *board {
	t.Helper()
	b := &board{map[[2]int64]bool{}, map[[2]int64]bool{}, map[int]Member{}, map[[2]int]string{}, map[int64]uint64{}, 0, 0, 0}
	before := int64(-1)
	for _, s := range steps {
		if s.T <= before {
			t.Fatalf("a step ends at %d, the one before it at %d", s.T, before)
		}
		for i := 0; i < len(s.Batches); i += 5 {
			if s.Batches[i+4] > s.T || s.Batches[i+4] < before {
				t.Fatalf("a batch of %d is in the step from %d to %d", s.Batches[i+4], before, s.T)
			}
			b.entries[int64(s.First+i/5)] = uint64(s.Batches[i+2])
		}
		before = s.T
		for i := 0; i < len(s.Held); i += 3 {
			b.held[[2]int64{s.Held[i], s.Held[i+1]}] = true
		}
		for i := 0; i < len(s.Settled); i += 3 {
			b.settled[[2]int64{s.Settled[i], s.Settled[i+1]}] = true
		}
		for _, m := range s.Members {
			b.members[int(m.ID)] = m
		}
		for _, l := range s.Links {
			b.links[[2]int{int(l.From), int(l.To)}] = l.State
		}
		for i := 0; i < len(s.Frames); i += 6 {
			b.frames++
			if s.Frames[i+5] < 0 {
				b.lost++
			}
		}
		b.sent += s.Sent
	}
	return b
}

// TestStepsAddUp plays the steps and compares with what the run came to.
func TestStepsAddUp(t *testing.T) {
	config := steady(t, 4, "1s a <-> b cut\n2s a <-> b heal\n2500ms c -> d drop 40%\n3s * <-> * heal")
	log := new(trace.Log)
	config.Sink = log
	if _, err := sim.Run(config); err != nil {
		t.Fatal(err)
	}
	sends, receives := 0, 0
	var final trace.Event
	for _, e := range log.Events {
		switch e.Kind {
		case trace.Send:
			sends++
		case trace.Receive:
			receives++
		case trace.Final:
			final = e
		}
	}
	b := play(t, film(t, config))
	for id := range 4 {
		var held, settled uint64
		for number, entries := range b.entries {
			if b.held[[2]int64{number, int64(id)}] {
				held += entries
			}
			if b.settled[[2]int64{number, int64(id)}] {
				settled += entries
			}
		}
		if m := b.members[id]; held != m.Held || settled != m.Settled || held != final.Position || settled != held {
			t.Errorf("member %d: %d entries held and %d settled by batches, %d and %d told, the result has %d", id, held, settled, m.Held, m.Settled, final.Position)
		}
	}
	if b.sent != sends {
		t.Errorf("%d messages told, %d sent", b.sent, sends)
	}
	if b.frames > sends || b.frames < sends*9/10 {
		t.Errorf("%d of %d messages are frames", b.frames, sends)
	}
	if b.lost > sends-receives || b.lost < (sends-receives)*8/10 {
		t.Errorf("%d of %d messages did not arrive, %d frames are lost", sends-receives, sends, b.lost)
	}
	for link, state := range b.links {
		if state != "up" {
			t.Errorf("link %v is %s at the end", link, state)
		}
	}
}

// TestHostileTextStaysText lets a trace name members and say things in ways
// that break pages: steps carry them as they are, and stay JSON.
func TestHostileTextStaysText(t *testing.T) {
	name := "</script><img src=x onerror=alert(1)>\u2028\x00"
	var steps []*Step
	f := New(trace.Header{Members: []string{name, "b"}}, func(s *Step) { steps = append(steps, s) })
	for _, e := range []trace.Event{
		{Kind: trace.Start, Identity: 1, Life: 1},
		{At: 1, Kind: trace.Fault, Note: "<b>" + name},
		{At: 2, Kind: trace.Crash, Note: name},
	} {
		f.Tell(&e)
	}
	f.End()
	text, err := json.Marshal(steps)
	if err != nil || strings.Contains(string(text), "</script>") {
		t.Errorf("%v: %s", err, text)
	}
	if said := words(steps); !strings.Contains(said, "<b>"+name) || !strings.Contains(said, name+" crashes") {
		t.Errorf("said %q", said)
	}
}
