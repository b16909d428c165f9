package transport

import "time"

// pulse says when the next beat is due. Unlike the channel of a timer, which the
// runtime fills when somebody looks at it, its channel is filled when the time
// comes: under the race detector in virtual time the runtime can crash in the
// former (Go 1.26).
type pulse struct {
	timer *time.Timer
	due   chan struct{}
}

func newPulse(wait time.Duration) *pulse {
	p := &pulse{due: make(chan struct{}, 1)}
	p.timer = time.AfterFunc(wait, func() {
		select {
		case p.due <- struct{}{}:
		default: // it has not been looked at since the last time
		}
	})
	return p
}

// again lets it be due once more, a while from now.
func (p *pulse) again(wait time.Duration) { p.timer.Reset(wait) }

func (p *pulse) stop() { p.timer.Stop() }
