package cli

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// logEvery is the time for which records of a kind are counted.
	logEvery = 10 * time.Second
	// logMost is how many records of a kind are written in that time.
	logMost = 20
	// logKinds is how many kinds are told apart; the others count as one.
	logKinds = 256
)

// limited is a handler of log records that passes on the first few of a kind in
// a while and counts the others; when the while is over it says how many. A kind
// is a level and a message. A timer runs while something is left out.
type limited struct {
	next   slog.Handler
	limits *limits
}

// limits is what a handler and those that were made of it share.
type limits struct {
	mu    sync.Mutex // guards all below
	kinds map[kind]*count
}

type kind struct {
	level   slog.Level
	message string
}

// count is what happened to a kind since it was seen first.
type count struct {
	since   time.Time
	written int
	out     int          // left out
	next    slog.Handler // that says so
	timer   *time.Timer
}

func newLimited(next slog.Handler) limited {
	return limited{next: next, limits: &limits{kinds: map[kind]*count{}}}
}

// Enabled reports whether the next handler wants records of the level.
func (l limited) Enabled(ctx context.Context, level slog.Level) bool {
	return l.next.Enabled(ctx, level)
}

// WithAttrs returns the handler of a logger that has attributes.
func (l limited) WithAttrs(attrs []slog.Attr) slog.Handler {
	return limited{l.next.WithAttrs(attrs), l.limits}
}

// WithGroup returns the handler of a logger that has a group.
func (l limited) WithGroup(name string) slog.Handler {
	return limited{l.next.WithGroup(name), l.limits}
}

// Handle passes a record on, or counts it.
func (l limited) Handle(ctx context.Context, r slog.Record) error {
	if l.limits.leaveOut(kind{r.Level, r.Message}, r.Time, l.next) {
		return nil
	}
	return l.next.Handle(ctx, r)
}

// leaveOut counts a record, and reports whether it is one too many.
func (l *limits) leaveOut(k kind, now time.Time, next slog.Handler) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.kinds[k]
	if c == nil && len(l.kinds) >= logKinds {
		l.forget(now)
		if len(l.kinds) >= logKinds {
			k = kind{k.level, "other messages"}
			c = l.kinds[k]
		}
	}
	if c == nil {
		c = &count{since: now}
		l.kinds[k] = c
	}
	if c.out == 0 && now.Sub(c.since) >= logEvery {
		c.since, c.written = now, 0
	}
	if c.written < logMost {
		c.written++
		return false
	}
	if c.out++; c.timer == nil {
		c.next = next
		c.timer = time.AfterFunc(logEvery-now.Sub(c.since), func() { l.tell(k, c) })
	}
	return true
}

// forget makes room: kinds of which nothing is left out begin anew.
func (l *limits) forget(now time.Time) {
	for k, c := range l.kinds {
		if c.out == 0 && now.Sub(c.since) >= logEvery {
			delete(l.kinds, k)
		}
	}
}

// tell says how many records of a kind were left out, and begins anew.
func (l *limits) tell(k kind, c *count) {
	l.mu.Lock()
	out, next := c.out, c.next
	if c.timer != nil {
		c.timer.Stop()
	}
	delete(l.kinds, k)
	c.out = 0
	l.mu.Unlock()
	if out == 0 {
		return
	}
	r := slog.NewRecord(time.Now(), k.level, k.message, 0)
	r.AddAttrs(slog.Int("left_out", out))
	_ = next.Handle(context.Background(), r) // there is nobody to tell
}

// end says what was left out so far.
func (l *limits) end() {
	l.mu.Lock()
	waiting := map[kind]*count{}
	for k, c := range l.kinds {
		if c.out > 0 {
			waiting[k] = c
		}
	}
	l.mu.Unlock()
	for k, c := range waiting {
		l.tell(k, c)
	}
}
