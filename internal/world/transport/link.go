package transport

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/fault"
)

// imposePoll is how often it is looked whether another failure is imposed.
const imposePoll = 10 * time.Millisecond

// link is this member's direction to one peer: it keeps a connection, makes
// another one when that falls silent, and tells the handler. Its keeper, one
// goroutine, owns all that is not atomic; attempts at a connection, one at a
// time, are made by another, so that nothing waits for them.
type link struct {
	t        *Transport
	to       member.ID
	log      *slog.Logger
	counters counters

	current  atomic.Pointer[outgoing]      // where messages go; nil: nowhere
	at       atomic.Pointer[member.Member] // whom to dial
	seat     seat                          // accepted connections
	sessions atomic.Uint64                 // begun so far, in this direction
	trouble  atomic.Pointer[string]        // why there is no connection, for people; nil: not known
	skipped  atomic.Uint32                 // addresses of the peer that are no use at the moment
	odd      atomic.Bool                   // the log was told of the peer's tick
	rivalry  atomic.Pointer[rivalry]       // another process in the peer's name; nil: none was met
	// claimed says that a handshake for this direction is under way, by an
	// attempt or with an offer: of two at a time one would end the other.
	claimed atomic.Bool
	reads   atomic.Bool // the peer has a connection for reading
	reading reading     // the one to the peer

	results chan attempt // of the attempt under way
	offers  chan offered // connections that the peer made for this direction

	out      *outgoing     // as current, for the keeper
	trying   bool          // an attempt is under way
	redialAt time.Duration // earliest time of the next attempt
	offerAt  time.Duration // earliest time of the next offer
	delay    time.Duration // from the last attempt to redialAt, without jitter
	chance   *rand.Rand
	told     string // the trouble that the log was told of since the link was up
	refusal  string // the last one since a link that lasted
}

func newLink(t *Transport, to member.ID, m member.Member) *link {
	l := &link{
		t: t, to: to,
		log:     t.config.Log.With("peer", m.String()),
		chance:  rand.New(rand.NewPCG(t.config.Seed, uint64(to))),
		results: make(chan attempt, 1), offers: make(chan offered), reading: reading{turn: make(chan struct{}, 1)},
	}
	l.at.Store(&m)
	return l
}

// target returns whom to dial.
func (l *link) target() member.Member { return *l.at.Load() }

// nextSession returns the session of the next connection of this direction.
func (l *link) nextSession() uint64 { return l.t.config.Life<<32 | l.sessions.Add(1) }

// send queues a message for the peer, or drops it.
func (l *link) send(m *protocol.Message) {
	if out := l.current.Load(); out != nil {
		l.sent(out, out.queue.put(m))
		return
	}
	l.counters.dropped.Add(1)
}

// tell queues a frame for the peer, or drops it.
func (l *link) tell(frame []byte) {
	if out := l.current.Load(); out != nil {
		l.sent(out, out.queue.putFrame(frame))
		return
	}
	l.counters.dropped.Add(1)
}

func (l *link) sent(out *outgoing, outcome outcome) {
	switch outcome {
	case queueFull:
		l.counters.overflows.Add(1)
		l.counters.dropped.Add(1)
		out.end(errQueueFull)
	case queueClosed:
		l.counters.dropped.Add(1)
	case queued:
	}
}

// keep keeps the link until the transport closes, and then until the peer has
// taken what waits for it.
func (l *link) keep() {
	for l.t.running.Err() == nil {
		imposed := l.imposed()
		if reason := l.broken(imposed); reason != nil {
			l.down(reason)
		}
		l.await(l.t.running, l.begin(imposed), l.results, l.offers)
	}
	if l.trying {
		if result := <-l.results; result.conn != nil {
			abort(result.conn)
		}
	}
	if l.out == nil {
		return
	}
	for !l.out.hasEnded() && l.out.silence() < l.t.config.SilenceMax && l.t.ctx.Err() == nil {
		l.rest(l.t.ctx, l.t.config.SilenceMax-l.out.silence())
	}
	l.current.Store(nil)
	l.out.end(errClosing)
	l.out.done.Wait()
}

// begin begins the attempt that is due, and returns for how long there is
// nothing else to do.
func (l *link) begin(imposed fault.Link) time.Duration {
	rest := l.t.config.SilenceMax
	if l.out != nil {
		rest -= l.out.silence()
	}
	wait := l.redialAt - l.t.now()
	switch {
	case l.sound():
		if l.offerIsDue() {
			l.offerAt = l.t.now() + l.t.config.SilenceMax
			l.try(l.offer)
		}
		return l.t.config.SuspectAfter - l.out.silence()
	case l.trying:
		return rest
	case imposed.Cut:
		return min(rest, imposePoll)
	case wait > 0:
		return min(rest, wait)
	}
	l.pace()
	l.try(l.call)
	return rest
}

// try begins an attempt.
func (l *link) try(attempt func() attempt) {
	l.trying = true
	l.t.keepers.Go(func() { l.results <- attempt() })
}

// broken returns why the connection cannot stay; nil if it can, or there is none.
func (l *link) broken(imposed fault.Link) error {
	switch {
	case l.out == nil:
		return nil
	case l.out.hasEnded():
		return l.out.reason
	case l.out.silence() >= l.t.config.SilenceMax:
		return errSilent
	case l.out.reliable != keepsAll(imposed):
		return errImposed
	case l.t.now()-l.out.checked >= credentialEvery:
		l.out.checked = l.t.now()
		return l.t.security.isGood(l.out.conn)
	}
	return nil
}

// imposed returns the failure that is imposed on the link now.
func (l *link) imposed() fault.Link {
	if l.t.config.Impose == nil {
		return fault.Link{}
	}
	return l.t.config.Impose(l.to)
}

// rest waits for a time, or until the connection ends, or until something
// else may be imposed.
func (l *link) rest(ctx context.Context, wait time.Duration) { l.await(ctx, wait, nil, nil) }

// await waits, and takes the result of an attempt or an offer if one comes. If
// it wakes late this process has stood still, which is no silence of the peer:
// what it sent meanwhile is only about to be read.
func (l *link) await(ctx context.Context, wait time.Duration, results <-chan attempt, offers <-chan offered) {
	if l.t.config.Impose != nil {
		wait = min(wait, imposePoll)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var ended chan struct{}
	if l.out != nil {
		ended = l.out.ended
	}
	planned := l.t.now() + wait
	select {
	case <-timer.C:
		if late := l.t.now() - planned; l.out != nil && late > l.t.config.BeatEvery {
			l.out.forgive(late)
		}
	case result := <-results:
		l.finish(result)
	case offer := <-offers:
		l.accept(offer)
	case <-ended:
	case <-ctx.Done():
	}
}

// finish makes use of what an attempt has brought.
func (l *link) finish(result attempt) {
	l.trying = false
	if result.offer {
		return
	}
	l.claimed.Store(false)
	switch {
	case result.conn == nil:
		l.lament(result.err)
	case l.imposed().Cut || l.recovers() || l.t.running.Err() != nil:
		abort(result.conn)
	default:
		l.up(newOutgoing(l, result.conn, result.process, true))
	}
}

// sound reports whether there is a connection that is not silent.
func (l *link) sound() bool {
	return l.out != nil && !l.out.hasEnded() && l.out.silence() < l.t.config.SuspectAfter
}

// recovers waits a moment for the silent connection, if there is one: a peer
// that has just been too busy beats on it and welcomes another one at the same
// time, and to keep the first loses nothing.
func (l *link) recovers() bool {
	if l.out == nil {
		return false
	}
	for until := l.t.now() + l.t.config.BeatEvery; !l.out.hasEnded() && l.t.now() < until && l.t.running.Err() == nil; {
		if l.sound() {
			return true
		}
		l.rest(l.t.running, l.t.config.BeatEvery/10)
	}
	return l.sound()
}

// pace sets the time of the next attempt: the delay doubles from RedialMin to
// RedialMax, and jitter takes off up to half of it.
func (l *link) pace() {
	l.delay = min(max(2*l.delay, l.t.config.RedialMin), l.t.config.RedialMax)
	l.redialAt = l.t.now() + l.delay - time.Duration(l.chance.Int64N(int64(l.delay)/2+1))
}

// up puts a connection to use, in place of one that may be there.
func (l *link) up(fresh *outgoing) {
	old := l.out
	l.out = fresh
	l.current.Store(fresh) // before the handler knows: it may send at once
	fresh.start()
	if old != nil {
		old.end(errReplaced)
		old.done.Wait()
	}
	l.told, l.offerAt = "", 0
	l.trouble.Store(nil)
	l.counters.links.Add(1)
	l.log.Info("link up", "reliable", fresh.reliable, "dialed", fresh.dialed)
	l.t.config.Handler.Up(l.to, fresh.reliable)
}

// down drops the connection. One that lasted a while is dialed anew at once,
// and makes up for earlier refusals.
func (l *link) down(reason error) {
	l.current.Store(nil)
	l.out.end(reason)
	l.out.done.Wait()
	if l.t.now()-l.out.made >= l.t.config.SilenceMax {
		l.delay, l.refusal = 0, ""
	}
	l.out = nil
	l.explain("the connection was lost: " + innermost(reason).Error())
	l.log.Info("link down, dialing again", "reason", reason)
	l.t.config.Handler.Down(l.to)
}

// lament says why there is no link: in the status, and in the log each refusal
// once, and any other trouble once until the link is up again.
func (l *link) lament(err error) {
	if l.t.running.Err() != nil || l.sound() || errors.Is(err, errClosed) {
		return
	}
	text := explain(err)
	refused := errors.Is(err, errRefused)
	switch {
	case refused:
		l.refusal = text
		l.explain(text)
	case l.refusal != "":
		l.explain(l.refusal + "; and now " + text) // who refused may end before this member does
	default:
		l.explain(text)
	}
	switch {
	case refused && l.told != text:
		l.told = text
		if l.t.notices.dueToo(text, l.t.now()) {
			l.log.Warn("no link; dialing again until this is mended", "error", err)
		}
	case l.told == "":
		l.told = text
		l.log.Info("no link; dialing again until the peer answers", "error", err)
	}
}

// explain notes for the status why there is no connection.
func (l *link) explain(text string) { l.trouble.Store(&text) }
