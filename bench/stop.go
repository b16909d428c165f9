package bench

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

// outage is a member that stands still for a while in the middle of a
// measurement.
type outage struct {
	cancel context.CancelFunc
	over   chan struct{}
	ended  time.Time // when the member went on
	err    error
}

// stopLast stops the last member after a while, and lets it go on after
// another one.
func (c *crew) stopLast(ctx context.Context, after, length time.Duration) *outage {
	ctx, cancel := context.WithCancel(ctx)
	o := &outage{cancel: cancel, over: make(chan struct{})}
	process := c.members[len(c.members)-1].cmd.Process
	go func() {
		defer close(o.over)
		pause(ctx, after)
		if o.err = process.Signal(syscall.SIGSTOP); o.err != nil {
			return
		}
		pause(ctx, length)
		o.ended = time.Now()
		o.err = process.Signal(syscall.SIGCONT)
	}()
	return o
}

// wait gives when the member went on, in nanoseconds since 1970.
func (o *outage) wait() (int64, error) {
	<-o.over
	o.cancel()
	if o.err != nil {
		return 0, fmt.Errorf("bench: stop a member for a while: %w", o.err)
	}
	return o.ended.UnixNano(), nil
}
