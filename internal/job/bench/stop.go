package bench

import (
	"context"
	"fmt"
	"time"
)

// outage is a member that stood still for a while in the middle of a
// measurement.
type outage struct {
	ended time.Time // when the member went on
	err   error
}

// stopLast stops the last member after a while, and lets it go on after
// another one.
func (c *crew) stopLast(ctx context.Context, after, length time.Duration) <-chan outage {
	over := make(chan outage, 1)
	process := c.members[len(c.members)-1].cmd.Process
	go func() {
		pause(ctx, after)
		err := suspend(process)
		if err == nil {
			pause(ctx, length)
			err = resume(process)
		}
		over <- outage{time.Now(), err}
	}()
	return over
}

// caughtUp returns the milliseconds from the return of the member that stood
// still until all members had delivered everything that was broadcast before.
func (o outage) caughtUp(load Load, members int) (float64, error) {
	if o.err != nil {
		return 0, fmt.Errorf("bench: stop a member for a while: %w", o.err)
	}
	back := o.ended.UnixNano()
	last := back
	err := eachTime(load, members, func(sent, delivered int64) {
		if sent < back {
			last = max(last, delivered)
		}
	})
	return time.Duration(last-back).Seconds() * 1e3, err
}
