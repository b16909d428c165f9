package sim_test

import (
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"
)

// arrivals measures the longest time that nothing arrives over any link.
type arrivals struct {
	begin, end time.Duration // of what is measured
	last       map[[2]member.ID]time.Duration
	pause      time.Duration
}

// Tell takes note of an event.
func (a *arrivals) Tell(e *trace.Event) {
	if e.Kind == trace.Receive && e.At < a.end {
		link := [2]member.ID{e.Peer, e.Member}
		a.pause = max(a.pause, e.At-max(a.last[link], a.begin))
		a.last[link] = e.At
	}
}

// TestFullQueueLetsThroughWhatFits: datagrams that find the queue of a narrow link
// full are lost, and take nothing of its rate from those that found room.
func TestFullQueueLetsThroughWhatFits(t *testing.T) {
	c, err := sim.ParseCase([]byte("# run: members=5 seed=20005721 send=5s grace=5s tick=50ms wake=1ms delay=10ms..40ms\n"+
		"# run: rates=0,100,100,2,50 batch=1 holders=3 park=12288 memory=65536 message=512 window=65536 spared=a>d,b>e,c>b,d>c,e>a\n"+
		"2.927s * -> * rate 5KB/s\n"), "narrow")
	if err != nil {
		t.Fatal(err)
	}
	a := &arrivals{begin: 3 * time.Second, end: 8 * time.Second, last: map[[2]member.ID]time.Duration{}}
	c.Sink = a
	mustHold(t, sim.NewRunner(), c)
	if a.pause > time.Second {
		t.Errorf("a narrow link that is full lets nothing through for %v", a.pause)
	}
}
