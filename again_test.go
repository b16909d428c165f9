package chatterbox

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestAskingAgain asks sooner at first than later, tells the log each reason that lasts
// once, and ends with what is granted, with what is final, and when nobody waits.
func TestAskingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unheard, busy, never := errors.New("unheard"), errors.New("busy"), errors.New("never")
		var log bytes.Buffer
		answers, began, times := []error(nil), time.Now(), []time.Duration(nil)
		over := make(chan struct{})
		a := asking{over: over, waits: "waits", log: slog.New(slog.NewTextHandler(&log, nil)), ask: func(context.Context) error {
			times = append(times, time.Since(began))
			answer := answers[0]
			answers = answers[1:]
			return answer
		}, final: func(err error) bool { return errors.Is(err, never) }}
		answers = []error{unheard, busy, busy, busy, unheard, unheard, busy, busy, nil}
		if err := a.untilGranted(t.Context()); err != nil {
			t.Error(err)
		}
		want := []time.Duration{0, 50, 150, 350, 750, 1550, 3150, 5150, 7150}
		for i := range want {
			want[i] *= time.Millisecond
		}
		if !slices.Equal(times, want) {
			t.Errorf("asked after %v", times)
		}
		if text := log.String(); strings.Count(text, "reason=busy") != 2 || strings.Count(text, "reason=unheard") != 1 {
			t.Error(text)
		}
		answers = []error{busy, never}
		if err := a.untilGranted(t.Context()); !errors.Is(err, never) {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, nobodyWaits := range []func() context.Context{
			func() context.Context { return ctx },
			func() context.Context { close(over); return t.Context() },
		} {
			answers, began = []error{busy}, time.Now()
			if err := a.untilGranted(nobodyWaits()); !errors.Is(err, busy) || time.Since(began) > 0 {
				t.Error(err, time.Since(began))
			}
		}
	})
}
