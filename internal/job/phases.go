package job

import (
	"context"
	"encoding/binary"
	"math"
	"sync"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/workload"
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

// paced returns the time that a rate goes by: it stands still once the send phase is over.
func (p *phases) paced() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	send, _ := p.ends.Left(now)
	return now + min(send, 0)
}

// left returns what is left of the send phase and of all.
func (p *phases) left() (send, grace time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ends.Left(p.now())
}

// untilDeadline returns what is left until the end of the grace phase.
func (p *phases) untilDeadline() time.Duration {
	_, left := p.left()
	return left
}

// meta returns what peers are told: how long the phases still take, two varints of
// nanoseconds.
func (p *phases) meta() string {
	send, grace := p.left()
	var text [2 * binary.MaxVarintLen64]byte
	return string(binary.AppendUvarint(binary.AppendUvarint(text[:0], uint64(max(send, 0))), uint64(max(grace, 0))))
}

// onMeta takes over what a peer's phases are. What it does not understand is of
// another application, whose entries would be none of ours either.
func (p *phases) onMeta(_ member.ID, meta string) {
	send, n := binary.Uvarint([]byte(meta))
	if n <= 0 {
		return
	}
	grace, m := binary.Uvarint([]byte(meta)[n:])
	if m <= 0 || n+m < len(meta) || send > math.MaxInt64 || grace > math.MaxInt64 {
		return
	}
	p.adopt(time.Duration(send), time.Duration(grace))
}

// adopt takes over what is left, where that is less.
func (p *phases) adopt(send, grace time.Duration) {
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

// interrupt ends the send phase, if it is not over yet, and lets a whole grace
// phase follow: others may need it.
func (p *phases) interrupt(grace time.Duration) {
	if send, _ := p.left(); send > 0 {
		p.adopt(0, grace)
	}
}

// phase names the phase that the run is in.
func (p *phases) phase() string {
	if send, _ := p.left(); send > 0 {
		return PhaseSend
	}
	return PhaseGrace
}
