package job_test

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatterbox/internal/core/member"
	"chatterbox/internal/job"
	"chatterbox/internal/proof/workload"
	"chatterbox/internal/world/node"
	"chatterbox/internal/world/transport/memnet"
)

// world is a cluster of runs in virtual time, over a network in memory.
type world struct {
	t       *testing.T
	net     *memnet.Network
	members member.List
	began   time.Time
	running sync.WaitGroup
	ends    []end
	signals []chan struct{}
}

// end is how a run ended.
type end struct {
	outcome        *job.Outcome
	printed, ended time.Duration // since the start of the world
	err            error
}

func newWorld(t *testing.T, members int) *world {
	w := &world{t: t, net: memnet.New(), began: time.Now(), ends: make([]end, members)}
	for i := range members {
		w.members = append(w.members, member.Member{Name: member.Letter(member.ID(i)), Host: member.Letter(member.ID(i)), Port: 1})
		w.signals = append(w.signals, make(chan struct{}))
	}
	return w
}

// config returns the run of a member that sends 100 entries a second for a
// second and waits for three.
func (w *world) config(id member.ID) job.Config {
	listener, err := w.net.Listen(w.members[id].Address())
	if err != nil {
		w.t.Fatal(err)
	}
	return job.Config{
		Node: node.Config{
			Members: w.members, Self: id, Listener: listener,
			Dial: w.net.Dialer(w.members[id].Address()),
		},
		SendFor: time.Second, WaitFor: 3 * time.Second, Seed: 1, Rate: 100,
		Interrupt: w.signals[id],
	}
}

// start runs a member, with its config changed as wanted.
func (w *world) start(id member.ID, change func(*job.Config)) {
	cfg := w.config(id)
	if change != nil {
		change(&cfg)
	}
	cfg.Print = func(outcome *job.Outcome) {
		w.ends[id].outcome, w.ends[id].printed = outcome, time.Since(w.began)
	}
	w.running.Go(func() {
		w.ends[id].err = job.Run(context.Background(), cfg)
		w.ends[id].ended = time.Since(w.began)
	})
}

// wait waits until all have ended, and demands that nobody failed.
func (w *world) wait() []end {
	w.t.Helper()
	w.running.Wait()
	for i, end := range w.ends {
		if end.err != nil {
			w.t.Fatalf("%s: %v", w.members[i].Name, end.err)
		}
	}
	return w.ends
}

// link cuts or heals the path between two members.
func (w *world) link(a, b int, heal bool) {
	x, y := w.members[a].Address(), w.members[b].Address()
	for _, path := range [][2]string{{x, y}, {y, x}} {
		if heal {
			w.net.Heal(path[0], path[1])
		} else {
			w.net.Cut(path[0], path[1])
		}
	}
}

// complete demands that all printed the same complete tuple.
func complete(t *testing.T, ends []end, count uint64) {
	t.Helper()
	for i, end := range ends {
		if o := end.outcome; o == nil || !o.Complete || o.Count != count || len(o.Missing) > 0 {
			t.Fatalf("member %d: %+v, want a complete tuple of %d", i, o, count)
		}
		if a, b := ends[0].outcome, end.outcome; a.Exact != b.Exact || a.Digest != b.Digest {
			t.Fatalf("member %d has %s in order %s, the first has %s in order %s", i, b.Exact, b.Digest, a.Exact, a.Digest)
		}
	}
}

const deadline = 4 * time.Second

func TestAllPrintTheSameTupleAsSoonAsItIsFinal(t *testing.T) {
	for _, protocol := range []node.Protocol{node.Delta, node.Lockstep} {
		t.Run(string(protocol), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 3)
				for id := range member.ID(3) {
					w.start(id, func(c *job.Config) { c.Node.Protocol, c.Messages = protocol, 20 })
				}
				ends := w.wait()
				complete(t, ends, 60)
				for i, end := range ends {
					if end.printed > time.Second {
						t.Errorf("member %d printed after %v, although nobody sent after 200 ms", i, end.printed)
					}
				}
			})
		})
	}
}

func TestScoreIsThatOfTheSeededNumbersInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.start(0, func(c *job.Config) { c.Messages, c.Seed = 3, 7 })
		ends := w.wait()
		complete(t, ends, 3)
		numbers, sum := workload.NewNumbers(7, 0), new(big.Rat)
		for i := range int64(3) {
			number := new(big.Int).SetUint64(numbers.Next())
			sum.Add(sum, new(big.Rat).SetFrac(number.Mul(number, big.NewInt(i+1)), big.NewInt(workload.NumberMax)))
		}
		if got, ok := new(big.Rat).SetString(ends[0].outcome.Exact); !ok || got.Cmp(sum) != 0 {
			t.Errorf("the exact score is %s, want %s", ends[0].outcome.Exact, sum.FloatString(60))
		}
	})
}

func TestRateIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.start(0, nil)
		w.start(1, func(c *job.Config) { c.Rate = 2000 })
		ends := w.wait()
		complete(t, ends, ends[0].outcome.Count)
		for i, want := range []uint64{100, 2000} {
			if own := ends[i].outcome.Own; own > want || own < want*95/100 {
				t.Errorf("member %d wrote %d entries in a second, want about %d", i, own, want)
			}
		}
	})
}

func TestAbsentMemberKeepsNobodyFromPrinting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start(0, nil)
		w.start(1, nil)
		ends := w.wait()[:2]
		for i, end := range ends {
			o := end.outcome
			if end.printed < deadline/2 || end.printed >= deadline || end.ended > deadline {
				t.Errorf("member %d printed after %v and ended after %v; the deadline is %v", i, end.printed, end.ended, deadline)
			}
			if diff := cmp.Diff([]string{"c"}, o.Missing); o.Complete || diff != "" {
				t.Errorf("member %d: complete %v, missing %s", i, o.Complete, diff)
			}
			if len(o.Reasons) != 1 || o.Reasons[0] != "c: was never heard of; nobody listens at the address" {
				t.Errorf("member %d: reasons %q", i, o.Reasons)
			}
			if o.Settled.Count != 0 || o.Count != ends[0].outcome.Count || o.Exact != ends[0].outcome.Exact {
				t.Errorf("member %d: %+v, but the first has %+v", i, o, ends[0].outcome)
			}
		}
	})
}

func TestFullMemoryLeavesOnlyTheAbsentMemberMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		for id := range member.ID(2) {
			w.start(id, func(c *job.Config) { c.Rate, c.Node.MemoryBytesMax = 0, 2<<20 })
		}
		ends := w.wait()[:2]
		for i, end := range ends {
			o := end.outcome
			if o.Own < 1000 || len(o.Missing) != 1 || o.Missing[0] != "c" || o.Exact != ends[0].outcome.Exact {
				t.Errorf("member %d: %+v", i, o)
			}
		}
	})
}

func TestSilentMemberIsNamedWithHowLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.start(0, nil)
		w.start(1, nil)
		time.Sleep(500 * time.Millisecond)
		w.link(0, 1, false)
		ends := w.wait()
		o := ends[0].outcome
		if o.Complete || len(o.Reasons) != 1 || !strings.HasPrefix(o.Reasons[0], "b: silent for 3.") {
			t.Errorf("complete %v, reasons %q", o.Complete, o.Reasons)
		}
		if o.Settled.Count == 0 || o.Settled.Count >= o.Count {
			t.Errorf("settled %d of %d: the cut was in the middle", o.Settled.Count, o.Count)
		}
	})
}

func TestHealInTheGracePhaseIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.link(0, 1, false)
		w.link(0, 2, false)
		for id := range member.ID(3) {
			w.start(id, nil)
		}
		time.Sleep(2 * time.Second)
		w.link(0, 1, true)
		w.link(0, 2, true)
		ends := w.wait()
		complete(t, ends, ends[0].outcome.Count)
		if own := ends[0].outcome.Own; own < 40 {
			t.Errorf("the member that was alone wrote %d entries", own)
		}
	})
}

func TestPhasesTravelAndTheEarlierEndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.start(0, func(c *job.Config) { c.SendFor, c.WaitFor = time.Hour, time.Hour })
		w.start(1, nil)
		ends := w.wait()
		complete(t, ends, ends[0].outcome.Count)
		if ends[0].ended > deadline {
			t.Errorf("ended after %v, the other's deadline is %v", ends[0].ended, deadline)
		}
	})
}

func TestInterruptEndsTheSendPhaseOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		for id := range member.ID(2) {
			w.start(id, func(c *job.Config) { c.SendFor = time.Hour })
		}
		time.Sleep(time.Second)
		close(w.signals[1])
		ends := w.wait()
		complete(t, ends, ends[0].outcome.Count)
		if ends[0].ended > deadline+time.Second {
			t.Errorf("ended after %v", ends[0].ended)
		}
	})
}

func TestInterruptedRunDoesNotWaitForTheAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.start(0, func(c *job.Config) { c.SendFor, c.WaitFor = time.Hour, time.Hour })
		time.Sleep(time.Second)
		close(w.signals[0])
		end := w.wait()[0]
		if end.printed != time.Second+job.InterruptedFor || end.outcome.Complete || end.outcome.Count == 0 {
			t.Errorf("printed after %v: %+v", end.printed, end.outcome)
		}
		if end.ended > 2*time.Second {
			t.Errorf("ended after %v", end.ended)
		}
	})
}

func TestInterruptInTheGracePhaseEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.start(0, func(c *job.Config) { c.WaitFor = time.Hour })
		time.Sleep(10 * time.Second)
		close(w.signals[0])
		if end := w.wait()[0]; end.ended > 11*time.Second || end.outcome.Complete {
			t.Errorf("ended after %v: %+v", end.ended, end.outcome)
		}
	})
}

func TestProgressTellsOfBothPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		var told []job.Progress
		w.start(0, func(c *job.Config) { c.Progress = func(p job.Progress) { told = append(told, p) } })
		w.wait()
		last := told[len(told)-1]
		if told[0].Phase != job.PhaseSend || last.Phase != job.PhaseGrace {
			t.Fatalf("phases %s and %s", told[0].Phase, last.Phase)
		}
		if last.Count == 0 || last.Own != last.Count || last.Settled != 0 || last.Heard[1] {
			t.Errorf("last %+v", last)
		}
		if want := int(deadline/job.ProgressEvery) - 3; len(told) < want {
			t.Errorf("told %d times, want at least %d", len(told), want)
		}
	})
}

func TestBadConfigIsToldBeforeAnythingStarts(t *testing.T) {
	err := job.Run(t.Context(), job.Config{})
	if err == nil || !strings.Contains(fmt.Sprint(err), "0 members") {
		t.Fatalf("error %v", err)
	}
}
