package delta

import (
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// acks is what is to be acknowledged to a peer.
type acks struct {
	received ranges // numbers received in its session
	due      bool   // an acknowledgement is due
	bytes    int    // received since the last acknowledgement
	urgent   bool   // the peer cannot deliver an own batch before it hears that somebody holds it
}

// report is what a peer was told of this member, and has acknowledged of it.
type report struct {
	promise     clock.Time    // the own promise in the last message
	sent, acked uint64        `state:"rank"` // the change counter that the peer was told, and acknowledged
	bindings    bool          // the peer knows the agreed binding
	reminds     bool          // another start was heard: it is told what it is known to hold
	spoke       time.Duration // when anything was sent
	endTold     bool          // it was told that all is stable for ever
	snapshotAt  time.Duration
	wholeAt     time.Duration // when an observer last told its row from the beginning

	view      protocol.Tag  // by which the peer was last heard to go
	estranged bool          // it goes by another history, and is told so
	choice    uint64        // the version of what is known of the next view that it was told
	choiceAt  time.Duration // when
}

// relays is what a peer was told of others.
type relays struct {
	sent        []uint64      `state:"rank"` // per member: the change counter that the peer was told of its row; nil as long as nothing is relayed
	at          time.Duration // when any row went
	observersAt time.Duration // when rows of observers went
	next        int           // the place to begin with when not all rows fitted
}

// linked begins a new session: the peer is told anew who counts, and what it was
// told and did not acknowledge.
func (r *report) linked(spoke time.Duration) {
	r.bindings, r.sent, r.spoke, r.choice = false, r.acked, spoke, 0
}

// forgetRow has the own row told from the beginning.
func (r *report) forgetRow() { r.sent, r.acked, r.bindings = 0, 0, false }

// forget begins anew with another incarnation.
func (r *report) forget() {
	r.forgetRow()
	r.endTold, r.snapshotAt = false, 0
}

// acknowledge takes what a message told as known.
func (r *report) acknowledge(f *flight) {
	r.acked = max(r.acked, f.stamp)
}

// since returns the change counter from which on the peer needs the own row.
func (r *report) since(reliable bool) uint64 {
	if reliable {
		return r.sent
	}
	return r.acked
}

// sentOf returns the change counter that the peer was told of a member's row.
func (r *relays) sentOf(of member.ID) uint64 {
	if r.sent == nil {
		return 0
	}
	return r.sent[of]
}
