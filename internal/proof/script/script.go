// Package script tests reducers by scripts: the command stands above the line,
// what the members do about it below, and -rewrite regenerates the outcome.
//
// A [Member] is what the test builds a reducer from; [Run] plays every file of
// a folder. The script is the world: it keeps the journals, the messages that
// wait on each link, and the only clock. Nothing moves unless a line says so.
//
// The first line of a file, and of each new world in it, is
//
//	cluster members=(a,b,c) [protocol=NAME] [tick=10ms] [durable] [links=reliable] [absent=(c)] [KEY=VALUE...]
//
// Links start up and are datagrams; with links=reliable they start down and
// lose nothing between up and down. An absent member is not started yet. Any
// other KEY=VALUE is for the builder. Then, with a member's name or all where
// a member stands:
//
//	broadcast a x y       submit one batch with entries x and y, and flush;
//	                      bytes=N and count=N make up a batch of that size
//	submit a x, flush a   the two halves of it
//	close a               the own stream ends
//	deliver a b           pass on what waits on the link; n=2: only so many
//	deliver all           pass on everything until nothing waits; rounds=N
//	drop a b, repeat a b  lose what waits, or have it wait twice; n=2
//	reverse a b           what waits arrives in the opposite order
//	forge a b c/1@9       put a message on the link that a never sent: batches,
//	                      row=(c,a:5@9), identity=N, of=N for the batches,
//	                      session=N, number=N
//	cut a b, heal a b     from now on the link swallows everything, or not
//	up a b, down a b      the events of a's link to b; what waited is lost
//	tick a                the clock moves by one tick, and a is told; n=5
//	advance 50ms          so many ticks for all; deliver: and pass everything
//	                      on after each; quiet: print nothing
//	crash a, restart a    restart works without crash; losing data: with a new
//	                      identity and nothing recovered
//	backup a, restore a   keep a copy of a's data; crash a, and restart it with
//	                      that copy instead of its data
//	status a, log a, tentative a, room a, owned a, waiting
//	show release, hide rows
//
// Each line of outcome belongs to one step of one member. A batch reads
// origin/seq@time "payload" (in a message only origin/seq), a row
// who{stream:have@promise ...}. Show and hide know append, send,
// deliver, trim, release, base, reset, bound, binding, settled, and of a message
// batches, rows, acks, pulls, agreed, stable, hears, version, session and
// number; hide empty leaves out the messages of which nothing is left. With
// status, known adds what the others are known to hold.
//
// A script fails by itself when a reducer hands out a batch that it does not
// own (any more), or delivers out of order, or otherwise than before a restart.
package script

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Member is what a script knows of a member at its start, fit to build its
// reducer from.
type Member struct {
	ID       member.ID
	Members  int
	Identity member.Identity // another one after each loss of data
	Life     uint64          // counts the starts with this data, from 1
	Tick     time.Duration
	Protocol string // as the cluster line names it
	Durable  bool   // what is appended outlives a restart
	Datagram bool   // links start up and unreliable
	// Recovered is what the member appended before its restart; nil at the
	// first start, without durable, and after a loss of data.
	Recovered *protocol.Recovered
	// Options are the other KEY=VALUE of the cluster line; a bare KEY has "".
	Options map[string]string
}

// Tally is what an application for scripts keeps: how many batches and entries it
// was given, and a digest of their order.
type Tally [3]uint64

// Add adds the next batch.
func (t *Tally) Add(next *protocol.Batch) {
	t[0]++
	t[1] += uint64(next.Count)
	for _, word := range []uint64{uint64(next.Origin), next.Seq, uint64(next.Time)} {
		t[2] = (t[2] ^ word) * 1099511628211
	}
}

// Batches returns how many batches were added.
func (t *Tally) Batches() int { return int(t[0]) }

// TallyOf returns the tally that Fold wrote; that of nothing of no bytes.
func TallyOf(state []byte) (t Tally) {
	for i := range t {
		if len(state) > 0 {
			t[i] = binary.LittleEndian.Uint64(state[8*i:])
		}
	}
	return t
}

// Fold adds a batch to a tally as bytes. It is a driver.Fold.
func Fold(state []byte, next *protocol.Batch) []byte {
	t := TallyOf(state)
	t.Add(next)
	state = nil
	for _, word := range t {
		state = binary.LittleEndian.AppendUint64(state, word)
	}
	return state
}

// Run plays each script in the folder dir and compares the outcome with what
// the script says. build makes a member's reducer, at each start anew.
func Run(t *testing.T, dir string, build func(Member) protocol.Reducer) {
	t.Helper()
	datadriven.Walk(t, dir, func(t *testing.T, path string) {
		t.Helper()
		w := &world{build: build}
		datadriven.RunTest(t, path, func(t *testing.T, line *datadriven.TestData) string {
			t.Helper()
			return w.play(t, line)
		})
	})
}
