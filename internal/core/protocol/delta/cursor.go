package delta

import (
	"cmp"
	"slices"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
)

// cursor is how far the streams went to a peer, and what of it has arrived.
type cursor struct {
	self member.ID // whose stream the own one is
	own  reach     // of the own stream: what was sent or is known to be held
	sent []reach   // per other stream; nil as long as none is relayed

	flights      queue[flight] // numbered as the messages are
	largestAcked uint64
	inFlight     int           // bytes
	lost         []span        // goes again
	progressed   time.Duration // last acknowledgement, or sending after none was outstanding
	backoff      uint          // attempts since then

	older clock.Time // what was there before the link: the peer may have got it from others
}

// reach is how far a stream was sent.
type reach struct {
	have   uint64 // entries
	number uint64 // of the next batch in the log
}

// span is a range of entries of one stream.
type span struct {
	stream      member.ID
	first, last uint64
}

// compare orders spans by stream, and then by where they begin.
func (s span) compare(other span) int {
	return cmp.Or(cmp.Compare(s.stream, other.stream), cmp.Compare(s.first, other.first))
}

// flight is a numbered message that is not acknowledged yet.
type flight struct {
	sentAt  time.Duration
	session uint64 // of the peer at that time
	size    int
	stamp   uint64 `state:"rank"` // change counter of the row in it
	relays  bool   // rows of others were in it
	done    bool   // nothing is waited for: acknowledged, overtaken or lost
	acked   bool   // acknowledged
	spans   []span // what it carried
}

// reach returns how far a stream was sent; places is how many streams there are.
func (c *cursor) reach(stream member.ID, places int) *reach {
	if stream == c.self {
		return &c.own
	}
	if c.sent == nil {
		c.sent = make([]reach, places)
	}
	return &c.sent[stream]
}

// isFull reports whether a window lets nothing more out.
func (c *cursor) isFull(window int) bool { return c.inFlight > 0 && c.inFlight >= window }

// restart begins to number messages anew.
func (c *cursor) restart() {
	c.flights.restart(1)
	c.largestAcked = 0
}

// giveUp waits for nothing any more.
func (c *cursor) giveUp() {
	c.flights.restart(c.flights.end)
	c.inFlight = 0
	c.lost = c.lost[:0]
}

// rewind forgets all that was sent.
func (c *cursor) rewind(now time.Duration) {
	c.giveUp()
	c.unsendAll()
	c.moved(now)
}

// unsendAll forgets how far all streams were sent.
func (c *cursor) unsendAll() {
	c.own = reach{}
	clear(c.sent)
}

// unsend forgets what was sent of a stream that turns out not to count: what is
// sent of the one in its place, under the same numbers, is another.
func (c *cursor) unsend(stream member.ID) {
	if stream == c.self {
		c.own = reach{}
	} else if c.sent != nil {
		c.sent[stream] = reach{}
	}
	of := func(s span) bool { return s.stream == stream }
	c.lost = slices.DeleteFunc(c.lost, of)
	for number := c.flights.first; number < c.flights.end; number++ {
		f := c.flights.at(number)
		f.spans = slices.DeleteFunc(f.spans, of)
	}
}

// moved notes that something arrived.
func (c *cursor) moved(now time.Duration) { c.backoff, c.progressed = 0, now }

// arrive takes a flight as acknowledged, and returns it if it was not before,
// and whether no later one was.
func (c *cursor) arrive(number uint64) (f *flight, latest bool) {
	f = c.flights.at(number)
	if f.acked {
		return nil, false
	}
	if !f.done {
		c.inFlight -= f.size
	}
	f.done, f.acked = true, true
	latest = number > c.largestAcked
	c.largestAcked = max(c.largestAcked, number)
	return f, latest
}

// popDone forgets the oldest flights that nothing is waited for.
func (c *cursor) popDone() {
	for c.flights.len() > 0 && c.flights.at(c.flights.first).done {
		c.flights.pop()
	}
}

// lose has what a flight carried sent again, of each stream the first first: the
// peer may have no room for what comes after a gap.
func (c *cursor) lose(f *flight) {
	f.done = true
	c.inFlight -= f.size
	for _, s := range f.spans {
		at, _ := slices.BinarySearchFunc(c.lost, s, span.compare)
		c.lost = slices.Insert(c.lost, at, s)
	}
}

// oldest returns when the oldest flight was sent; 0 if there is none. It may be
// younger than the last progress: those before it may have been given up.
func (c *cursor) oldest() time.Duration {
	if c.flights.len() == 0 {
		return 0
	}
	return c.flights.at(c.flights.first).sentAt
}
