package delta

import (
	"testing"
	"time"

	"chatterbox/internal/core/member"
)

// heardOf is a message as presence sees it.
type heardOf struct {
	at               time.Duration
	identity         member.Identity
	session, answers uint64
}

// TestPresence: what the last of some messages means for the presence of their
// sender, and whether it is heard at a time, as it is for 300 ms. Sessions count
// starts in their upper half.
func TestPresence(t *testing.T) {
	const second, silenceMax, mine = time.Second, 300 * time.Millisecond, 77
	first := hearing{another: true, reopened: true, returned: true}
	says := func(at time.Duration) heardOf { return heardOf{at, 20, 1 << 32, 0} }
	answers := heardOf{second, 20, 1 << 32, mine}
	other := heardOf{second, 21, 1 << 32, 0}
	tests := []struct {
		name  string
		hears []heardOf
		last  hearing
		at    time.Duration
		heard bool
	}{
		{"nobody", nil, hearing{}, second, false},
		{"a first message", []heardOf{says(second)}, first, second, true},
		{"an answer", []heardOf{says(second), answers}, hearing{}, second + silenceMax, true},
		{"a silence", []heardOf{answers}, first, second + silenceMax + 1, false},
		{"a return", []heardOf{answers, says(2 * second)}, hearing{returned: true}, 2 * second, true},
		{"a new connection", []heardOf{answers, {second, 20, 1<<32 | 1, 0}}, hearing{reopened: true}, second, true},
		{"a late message of the session before", []heardOf{answers, {second, 20, 1<<32 | 1, 0}, says(second)}, hearing{late: true}, second, true},
		{"a restart with the data", []heardOf{answers, {second, 20, 2 << 32, 0}}, hearing{outdated: true, restarted: true, reopened: true}, second, true},
		{"another incarnation", []heardOf{answers, other}, hearing{another: true, known: true, reopened: true}, second, true},
		{"a late message of the one before", []heardOf{answers, other, says(second)}, hearing{late: true}, second, true},
		{"a late message of an earlier one that was never heard", []heardOf{answers, {second, 19, 1 << 32, 0}}, hearing{late: true}, second, true},
		{"which counts after a silence", []heardOf{answers, other, says(2 * second)}, hearing{another: true, known: true, reopened: true, returned: true}, 2 * second, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := presence{outSession: mine}
			var last hearing
			for _, h := range test.hears {
				last = p.hear(h.identity, h.session, h.answers, h.at, silenceMax)
			}
			if last != test.last {
				t.Errorf("the last message means %+v, want %+v", last, test.last)
			}
			if got := p.isHeard(test.at, silenceMax); got != test.heard {
				t.Errorf("heard: %t", got)
			}
		})
	}
}

// TestAnswerIsAwaited until it comes, or for a while.
func TestAnswerIsAwaited(t *testing.T) {
	var p presence
	p.linked(true)
	p.ask(time.Second, 500*time.Millisecond)
	if !p.up || !p.awaited(time.Second) || p.awaited(1500*time.Millisecond) {
		t.Error("an answer is awaited for half a second")
	}
	p.hear(20, 1<<32, p.outSession-1, time.Second, time.Second)
	if !p.awaited(time.Second) {
		t.Error("what acknowledges an earlier session is no answer")
	}
	p.hear(20, 1<<32, p.outSession, time.Second, time.Second)
	if p.awaited(time.Second) {
		t.Error("an answer that came is awaited")
	}
}
