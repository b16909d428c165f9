package roster

import (
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Farewell is the end of a member whose data turned out to be old: it tells its
// peers why, and takes no part any more. The zero value is a member that goes on.
type Farewell struct {
	begun    bool
	since    time.Duration
	patience time.Duration // so long a peer may take to be reachable
	last     protocol.Row
	peers    []address // by their place
}

// address is the way to a peer.
type address struct {
	up, told bool
	session  uint64
}

// Begun reports whether the member has stopped.
func (f *Farewell) Begun() bool { return f.begun }

// Begin stops the member, and begins to say so. One without a journal goes on: an
// identity without data has one incarnation, so whoever claims to know more of it
// is wrong. The function reports whether the link to a peer is up, and the session
// of what is sent on it.
func (f *Farewell) Begin(r *Roster, cfg *protocol.Config, now time.Duration, fx *protocol.Effects, link func(member.ID) (up bool, session uint64)) {
	if f.begun || !cfg.Durable {
		return
	}
	f.begun, f.since, f.patience = true, now, cfg.FirstContactWait
	f.last = protocol.Row{Member: r.self, Identity: r.identity, Old: true}
	f.peers = make([]address, r.Len())
	for place := range f.peers {
		if id := member.ID(place); id != r.self {
			f.peers[id].up, f.peers[id].session = link(id)
		}
	}
	r.findings.Add(protocol.OldData, r.self)
	f.Say(now, fx)
}

// Step is a step of a member that has stopped: it takes nothing in.
func (f *Farewell) Step(e *protocol.Event, fx *protocol.Effects, tally *protocol.Tally) {
	switch e.Kind {
	case protocol.Submit:
		tally.Drop(e.Batch, fx)
	case protocol.Receive:
		tally.Refuse(e.Message, fx)
	case protocol.Up:
		f.peers[e.Peer].up = true
		f.peers[e.Peer].session++
	case protocol.Down:
		f.peers[e.Peer].up = false
	}
	f.Say(e.Now, fx)
}

// Say tells each peer once that the data here is old. When all know it, or had
// the time for it, this member takes no part any more.
func (f *Farewell) Say(now time.Duration, fx *protocol.Effects) {
	fx.Stop = true
	for place := range f.peers {
		a, to := &f.peers[place], member.ID(place)
		switch {
		case to == f.last.Member || a.told:
		case !a.up:
			fx.Stop = fx.Stop && now-f.since >= f.patience
		default:
			a.told = true
			fx.Send = append(fx.Send, protocol.Envelope{To: to, Message: &protocol.Message{
				From: f.last.Member, Identity: f.last.Identity, Session: a.session, Rows: []protocol.Row{f.last},
			}})
		}
	}
}
