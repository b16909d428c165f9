package job

import (
	"context"
	"sync"
	"time"

	"chatterbox/member"
	"chatterbox/workload"
)

// phases are the send and the grace phase of this member's run. The run, the
// sender and the node's goroutines look at them.
type phases struct {
	began   time.Time
	changed chan struct{}   // has an element after an end came nearer
	sending context.Context // ends with the send phase
	endSend context.CancelFunc

	mu    sync.Mutex // guards all below
	ends  workload.Phases
	timer *time.Timer // ends the send phase
}

func newPhases(send, grace time.Duration) *phases {
	p := &phases{
		began: time.Now(), changed: make(chan struct{}, 1),
		ends: workload.NewPhases(0, send, grace),
	}
	p.sending, p.endSend = context.WithCancel(context.Background())
	p.timer = time.AfterFunc(send, p.endSend)
	return p
}

func (p *phases) stop() {
	p.timer.Stop()
	p.endSend()
}

func (p *phases) now() time.Duration { return time.Since(p.began) }

// left gives what is left of the send phase and of all.
func (p *phases) left() (send, grace time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ends.Left(p.now())
}

// untilDeadline gives what is left until the end of the grace phase.
func (p *phases) untilDeadline() time.Duration {
	_, left := p.left()
	return left
}

// adopt takes over what a peer says is left, where that is less.
func (p *phases) adopt(_ member.ID, send, grace time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if !p.ends.Adopt(now, send, grace) {
		return
	}
	left, _ := p.ends.Left(now)
	p.timer.Reset(left)
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// interrupt ends the send phase, and lets a whole grace phase follow; false if
// the send phase was over already.
func (p *phases) interrupt(grace time.Duration) bool {
	if send, _ := p.left(); send == 0 {
		return false
	}
	p.adopt(0, 0, grace)
	return true
}

// phase names the phase that the run is in.
func (p *phases) phase() string {
	if send, _ := p.left(); send > 0 {
		return PhaseSend
	}
	return PhaseGrace
}
