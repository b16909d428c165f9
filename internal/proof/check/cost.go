package check

import (
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// What a run costs, by the names that package cost knows. Each number is
// better if it is smaller; a run to which one does not apply has none.
const (
	costCopies = "copies"        // entries sent for each one needed, where nothing fails
	costHealed = "copies-healed" // the same from the heal on
	costEarly  = "early"         // share of the entries sent that were sent again within a tick
	costQuiet  = "quiet"         // messages of the busiest member for each keep-alive, once all is settled
	costSettle = "settle"        // the longest time to settle as a share of what is allowed, where nothing fails
	costHeal   = "heal"          // seconds from the heal until all written before it has settled everywhere
)

// silentKeepAlives is after how many keep-alives that did not come a peer is
// taken for gone: when it returns, what was on its way is sent again at once.
const silentKeepAlives = 3

// noEarlyResend: no range is sent again to the same peer within a tick, unless
// the link or the peer began anew or was silent for long.
func noEarlyResend(c *checker) rule {
	n := len(c.past.members)
	ways := make([]way, n*n)
	renewals := make([]int, n) // how often each member began anew
	var sent, again uint64
	return func(e *trace.Event) {
		w := &ways[int(e.Member)*n+int(e.Peer)]
		switch e.Kind {
		case trace.Start:
			clear(ways[int(e.Member)*n : (int(e.Member)+1)*n])
			for k := range n {
				ways[k*n+int(e.Member)] = way{}
			}
		case trace.Recover:
			renewals[e.Member]++ // with a snapshot, too
		case trace.Up, trace.Down:
			*w = w.anew()
		case trace.Receive:
			long := e.At-w.heard > silentKeepAlives*c.past.header.KeepAliveNs
			if long || e.Identity != w.identity || e.Session>>32 != w.session>>32 || w.renewals != renewals[e.Peer] {
				*w = way{identity: e.Identity, session: e.Session, renewals: renewals[e.Peer]}
			}
			w.heard = e.At
		case trace.Push:
			sent += e.Count
			if m := &c.past.members[e.Peer]; !m.older && (m.identities <= 1 || e.At > m.startedAt+strangerFor) && w.push(c, e) {
				again += e.Count
			}
		case trace.Phase:
			if e.Note == PhaseEnd && sent > 0 {
				c.costs(costEarly, float64(again)/float64(sent))
			}
		}
	}
}

// strangerFor is how long after its start a life without data may be a
// stranger: members hear of it at different times, also through others, and
// each time begin anew.
const strangerFor = 2 * time.Second

// way is what was sent from a member to a peer within the last tick.
type way struct {
	identity member.Identity
	session  uint64
	renewals int           // of the peer
	heard    time.Duration // of the peer
	recent   []sending
}

// anew returns the way as it is with a fresh link.
func (w *way) anew() way {
	fresh := *w
	fresh.recent = fresh.recent[:0]
	return fresh
}

type sending struct {
	at         time.Duration
	stream     member.ID
	first, end uint64
}

// push notes what is sent, and reports whether some of it was just sent.
func (w *way) push(c *checker, e *trace.Event) (again bool) {
	old := 0
	for old < len(w.recent) && w.recent[old].at+c.past.header.TickNs <= e.At {
		old++
	}
	w.recent = append(w.recent[:0], w.recent[old:]...)
	for i := range w.recent {
		if s := &w.recent[i]; s.stream == e.Stream && e.Seq < s.end && s.first < e.Seq+e.Count {
			c.violated(e, "sends entries %d to %d of stream %d to member %d again after %v", e.Seq, e.Seq+e.Count-1, e.Stream, e.Peer, e.At-s.at)
			again = true
			break
		}
	}
	w.recent = append(w.recent, sending{e.At, e.Stream, e.Seq, e.Seq + e.Count})
	return again
}

// Copies of an entry that may be sent for each one that is needed: in a
// healthy mesh, and from the heal on after failures. The allowance covers the
// last messages of short runs.
const (
	copiesHealthy   = 1.05
	copiesAfterHeal = 2.0
	copiesAllowance = 64
)

// fewCopies: what members send is little more than what others lack. After a
// heal a first attempt is not held against a member that cannot know what others
// had brought there: of any stream until it hears of the peer, which may not be
// able to answer; of its own stream until the peer's word arrives that it holds
// that.
func fewCopies(c *checker) rule {
	var sent, needed uint64
	judged := c.past.header.Healthy
	n := len(c.past.members)
	met := make([]bool, n*n)     // since the heal: who heard whom
	tried := make([]uint64, n*n) // since the heal: how far who sent its own stream to whom
	words := newWords(n)
	return func(e *trace.Event) {
		way := int(e.Member)*n + int(e.Peer)
		switch {
		case e.Kind == trace.Start && c.past.members[e.Member].identity != e.Identity:
			words.forget(e.Member)
		case e.Kind == trace.Send:
			words.send(e, c.past.members[e.Member].published[e.Peer].Have)
		case e.Kind == trace.Receive:
			met[way] = true
			words.receive(e)
		case e.Kind == trace.Push:
			first := e.Stream == e.Member && e.Seq > tried[way] && e.Seq+e.Count-1 > words.heard[way]
			if met[way] && !first || !c.broughtByOthers(e) {
				sent += e.Count
			}
			if e.Stream == e.Member {
				tried[way] = max(tried[way], e.Seq+e.Count-1)
			}
		case e.Kind == trace.Append && e.Stream == e.Member:
			needed += e.Count * uint64(n-1)
		case e.Kind == trace.Phase && e.Note == PhaseHeal:
			sent, needed, judged = 0, c.past.lacking(), true
			clear(met)
			clear(tried)
		case e.Kind == trace.Phase && e.Note == PhaseEnd && judged:
			c.judgeCopies(e, sent, needed)
		}
	}
}

// words follows what members tell each origin of its stream: how many entries
// of it they hold.
type words struct {
	members int
	sent    map[word]uint64
	heard   []uint64 // by origin and peer
}

// word is a numbered message on its way.
type word struct {
	from, to        member.ID
	session, number uint64
}

func newWords(members int) *words {
	return &words{members, make(map[word]uint64), make([]uint64, members*members)}
}

func (w *words) send(e *trace.Event, have uint64) {
	if e.Number > 0 {
		w.sent[word{e.Member, e.Peer, e.Session, e.Number}] = have
	}
}

// forget forgets what a member told whose life is another one now.
func (w *words) forget(from member.ID) {
	for to := range w.members {
		w.heard[to*w.members+int(from)] = 0
	}
}

func (w *words) receive(e *trace.Event) {
	key := word{e.Peer, e.Member, e.Session, e.Number}
	way := int(e.Member)*w.members + int(e.Peer)
	w.heard[way] = max(w.heard[way], w.sent[key])
	delete(w.sent, key)
}

// broughtByOthers reports whether the peer holds all that is sent to it.
func (c *checker) broughtByOthers(e *trace.Event) bool {
	return !c.past.header.Healthy && e.Seq+e.Count-1 <= c.past.members[e.Peer].held[e.Stream]
}

func (c *checker) judgeCopies(e *trace.Event, sent, needed uint64) {
	name, factor := costHealed, copiesAfterHeal
	if c.past.header.Healthy {
		name, factor = costCopies, copiesHealthy
	}
	if needed >= copiesAllowance {
		c.costs(name, float64(sent)/float64(needed))
	}
	if float64(sent) > float64(needed)*factor+copiesAllowance {
		c.violated(e, "members sent %d copies of entries where %d were needed", sent, needed)
	}
}

// lacking counts the entries that members lack together.
func (h *history) lacking() (entries uint64) {
	for j := range h.streams {
		length := h.streams[j].length()
		for k := range h.members {
			entries += length - min(length, h.members[k].held[j])
		}
	}
	return entries
}
