package transport

import (
	"sync/atomic"
	"time"

	"chatterbox/internal/core/member"
)

// PeerStats counts what went to and came from a peer since the start.
type PeerStats struct {
	Peer     member.ID
	Up       bool // there is a link to the peer
	Reliable bool // and it loses nothing as long as it is up
	Dialed   bool // and this member dialed it; else the peer did, for it was not reached
	// Trouble says why there is no link, for people: "nobody listens at its
	// address". It names no address, so that many peers have one text. Empty
	// while the link is up, and before the first attempt.
	Trouble string

	SentFrames     uint64 // messages written to the socket, or lost on an imposed link
	SentBytes      uint64 // on the wire, beats included, without TCP's own
	SentBatchBytes uint64 // of these, batches
	Writes         uint64 // system calls for them
	Dropped        uint64 // messages dropped because the link was down or closed
	QueueBytes     int    // waiting to be written now
	Overflows      uint64 // links closed because too much was waiting
	Dials          uint64 // attempts to connect
	Links          uint64 // attempts that made a link

	ReceivedFrames     uint64 // messages
	ReceivedBytes      uint64 // beats included
	ReceivedBatchBytes uint64
	Reads              uint64        // system calls for them
	Accepted           uint64        // connections of the peer
	Heard              bool          // whether the peer was ever heard, on either direction
	HeardAgo           time.Duration // since the last time
}

// counters are what PeerStats is made from.
type counters struct {
	sentFrames, sentBytes, sentBatchBytes, writes     atomic.Uint64
	dropped, overflows, dials, links                  atomic.Uint64
	receivedFrames, receivedBytes, receivedBatchBytes atomic.Uint64
	reads, accepted                                   atomic.Uint64
	heard                                             atomic.Int64 // time of the transport; 0: never
}

func (c *counters) sent(frames, batchBytes int) {
	c.sentFrames.Add(uint64(frames))
	c.sentBatchBytes.Add(uint64(batchBytes))
}

func (c *counters) read(bytes int, now time.Duration) {
	c.reads.Add(1)
	c.receivedBytes.Add(uint64(bytes))
	c.heard.Store(int64(now))
}

func (c *counters) received(batchBytes int) {
	c.receivedFrames.Add(1)
	c.receivedBatchBytes.Add(uint64(batchBytes))
}

// Stats returns the counts of all peers, in the order of the list. It allocates.
func (t *Transport) Stats() []PeerStats {
	var stats []PeerStats
	for _, l := range *t.links.Load() {
		if l != nil {
			stats = append(stats, l.stats(t.now()))
		}
	}
	return stats
}

// Refused returns how many accepted connections came to nothing since the start:
// of strangers, and of peers whose keys, list or protocol do not fit.
func (t *Transport) Refused() uint64 { return t.refused.Load() }

func (l *link) stats(now time.Duration) PeerStats {
	c := &l.counters
	s := PeerStats{
		Peer:           l.to,
		SentFrames:     c.sentFrames.Load(),
		SentBytes:      c.sentBytes.Load(),
		SentBatchBytes: c.sentBatchBytes.Load(),
		Writes:         c.writes.Load(),
		Dropped:        c.dropped.Load(),
		Overflows:      c.overflows.Load(),
		Dials:          c.dials.Load(),
		Links:          c.links.Load(),

		ReceivedFrames:     c.receivedFrames.Load(),
		ReceivedBytes:      c.receivedBytes.Load(),
		ReceivedBatchBytes: c.receivedBatchBytes.Load(),
		Reads:              c.reads.Load(),
		Accepted:           c.accepted.Load(),
	}
	if out := l.current.Load(); out != nil {
		s.Up, s.Reliable, s.Dialed, s.QueueBytes = true, out.reliable, out.dialed, out.queue.size()
	} else if text := l.trouble.Load(); text != nil {
		s.Trouble = *text
	}
	if heard := time.Duration(c.heard.Load()); heard > 0 {
		s.Heard, s.HeardAgo = true, now-heard
	}
	return s
}
