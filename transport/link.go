package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"chatterbox/failure"
	"chatterbox/member"
	"chatterbox/protocol"
)

// imposePoll is how often it is looked whether another failure is imposed.
const imposePoll = 10 * time.Millisecond

// link is this member's direction to one peer: it keeps a connection, makes
// another one when that falls silent, and tells the handler. Its keeper, one
// goroutine, owns all that is not atomic.
type link struct {
	t        *Transport
	to       member.ID
	log      *slog.Logger
	counters counters

	current atomic.Pointer[outgoing] // where messages go; nil: nowhere

	out      *outgoing     // the same, for the keeper
	dialed   uint64        // hellos sent
	redialAt time.Duration // earliest time of the next attempt
	delay    time.Duration // from the last attempt to it, without jitter
	chance   *rand.Rand
	told     string // the trouble that the log was told of since the link was up
}

func newLink(t *Transport, to member.ID) *link {
	return &link{
		t: t, to: to,
		log:    t.config.Log.With("peer", t.config.List[to].String()),
		chance: rand.New(rand.NewPCG(t.config.Seed, uint64(to))),
	}
}

// send queues a message for the peer, or drops it.
func (l *link) send(m *protocol.Message) {
	out := l.current.Load()
	if out == nil {
		l.counters.dropped.Add(1)
		return
	}
	switch out.queue.put(m) {
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
		l.step()
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

// step does what the state of the link asks for, and returns when that may
// have changed.
func (l *link) step() {
	imposed := l.imposed()
	if reason := l.broken(imposed); reason != nil {
		l.down(reason)
	}
	switch wait := l.redialAt - l.t.now(); {
	case l.out != nil && l.out.silence() < l.t.config.SuspectAfter:
		l.rest(l.t.running, l.t.config.SuspectAfter-l.out.silence())
	case imposed.Cut:
		l.rest(l.t.running, imposePoll)
	case wait > 0:
		l.rest(l.t.running, wait)
	default:
		l.dial(keepsAll(imposed))
	}
}

// broken says why the connection cannot stay; nil if it can, or there is none.
func (l *link) broken(imposed failure.Link) error {
	switch {
	case l.out == nil:
		return nil
	case l.out.hasEnded():
		return l.out.reason
	case l.out.silence() >= l.t.config.SilenceMax:
		return errSilent
	case l.out.reliable != keepsAll(imposed):
		return errImposed
	}
	return nil
}

// imposed gives the failure that is imposed on the link now.
func (l *link) imposed() failure.Link {
	if l.t.config.Impose == nil {
		return failure.Link{}
	}
	return l.t.config.Impose(l.to)
}

// rest waits for a time, or until the connection ends, or until something
// else may be imposed. If it wakes late this process has stood still, which is
// no silence of the peer: what it sent meanwhile is only about to be read.
func (l *link) rest(ctx context.Context, wait time.Duration) {
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
	case <-ended:
	case <-ctx.Done():
	}
}

// dial makes one attempt at a connection.
func (l *link) dial(reliable bool) {
	l.counters.dials.Add(1)
	l.pace()
	conn, err := l.connect()
	if err != nil {
		l.trouble(err)
		return
	}
	if l.sound() {
		abort(conn) // the silent one has recovered meanwhile
		return
	}
	stop := context.AfterFunc(l.t.running, func() { abort(conn) })
	err = l.greet(conn)
	if !stop() || err != nil || l.recovers() {
		abort(conn)
		l.trouble(err)
		return
	}
	l.up(newOutgoing(l, conn, reliable))
}

// sound says that there is a connection, and that it is not silent.
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

func (l *link) connect() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(l.t.running, l.t.config.DialTimeout)
	defer cancel()
	return l.t.config.Dial(ctx, "tcp", l.t.config.List[l.to].Address())
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
	l.told = ""
	l.counters.links.Add(1)
	l.log.Info("link up", "reliable", fresh.reliable)
	l.t.config.Handler.Up(l.to, fresh.reliable)
}

// down drops the connection. One that lasted a while is dialed anew at once.
func (l *link) down(reason error) {
	l.current.Store(nil)
	l.out.end(reason)
	l.out.done.Wait()
	if l.t.now()-l.out.made >= l.t.config.SilenceMax {
		l.delay = 0
	}
	l.out = nil
	l.log.Info("link down, dialing again", "reason", reason)
	l.t.config.Handler.Down(l.to)
}

// trouble tells the log why there is no link: each refusal once, and any other
// trouble once until the link is up again.
func (l *link) trouble(err error) {
	switch {
	case err == nil || l.t.running.Err() != nil:
	case errors.Is(err, errRefused) && l.told != err.Error():
		l.told = err.Error()
		l.log.Warn("no link; dialing again until this is mended", "error", err)
	case l.told == "":
		l.told = fmt.Sprint(err)
		l.log.Info("no link; dialing again until the peer answers", "error", err)
	}
}
