package cluster

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/show/live"
)

// playWatched plays a member that tells its events and repeats, as notes of
// them, the lines of a failure map that it is sent, until it is told to heal.
func playWatched(arguments []string) int {
	epoch, err := strconv.ParseInt(argument(arguments, "--failure-epoch="), 10, 64)
	if err != nil {
		panic(err)
	}
	began := time.Unix(0, epoch)
	sender := live.NewSender(os.NewFile(WatchFD, "events"), trace.Header{Members: []string{"a", "b"}, Protocol: "delta"}, func() time.Duration { return time.Since(began) })
	defer sender.Close()
	sender.Tell(&trace.Event{Kind: trace.Start, Identity: 1, Life: 1})
	lines := bufio.NewScanner(os.NewFile(ChangeFD, "changes"))
	for lines.Scan() {
		sender.Tell(&trace.Event{Kind: trace.Phase, Note: "told " + lines.Text()})
		if strings.HasSuffix(lines.Text(), "heal") {
			break
		}
	}
	return exitOK
}

// audience remembers the notes that it is told.
type audience struct {
	mu    sync.Mutex // guards all below
	notes []string
	last  time.Duration
	back  bool // time went back
	heard chan struct{}
}

// Tell keeps the event's note.
func (a *audience) Tell(e *trace.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.notes = append(a.notes, e.Kind.String()+" "+e.Note)
	a.back = a.back || e.At < a.last
	a.last = e.At
	select {
	case a.heard <- struct{}{}:
	default:
	}
}

// Pass hears that nothing happened.
func (a *audience) Pass(time.Duration) {}

// await waits until so many notes have a beginning.
func (a *audience) await(ctx context.Context, t *testing.T, count int, beginning string) {
	t.Helper()
	for {
		a.mu.Lock()
		found := 0
		for _, note := range a.notes {
			if strings.HasPrefix(note, beginning) {
				found++
			}
		}
		a.mu.Unlock()
		if found >= count {
			return
		}
		select {
		case <-a.heard:
		case <-ctx.Done():
			t.Errorf("never heard %q %d times", beginning, count)
			return
		}
	}
}

// watched is a cluster whose members play that they are watched.
type watched struct {
	t       *testing.T
	heard   *audience
	changes chan Change
	config  Config
	done    chan *Report
}

func startWatched(ctx context.Context, t *testing.T, text string) *watched {
	t.Helper()
	w := &watched{t: t, heard: &audience{heard: make(chan struct{}, 1)}, changes: make(chan Change), config: play(t, "watched", text), done: make(chan *Report, 1)}
	var err error
	if w.config.Map, err = failure.Parse(strings.NewReader(text), "map"); err != nil {
		t.Fatal(err)
	}
	w.config.MapPath = filepath.Join(w.config.Folder, "map")
	w.config.Watch, w.config.Changes = w.heard, w.changes
	go func() {
		report, err := Run(ctx, ctx, w.config)
		if err != nil {
			t.Error(err)
		}
		w.done <- report
	}()
	return w
}

// change lets a line happen and returns what came of it.
func (w *watched) change(ctx context.Context, line string) error {
	events, err := failure.Parse(strings.NewReader("0s "+line), "change")
	if err != nil {
		w.t.Error(err)
		return err
	}
	answer := make(chan error, 1)
	select {
	case w.changes <- Change{events[0], answer}:
		return <-answer
	case <-ctx.Done():
		return ctx.Err()
	}
}

// do demands that lines can happen.
func (w *watched) do(ctx context.Context, lines ...string) {
	w.t.Helper()
	for _, line := range lines {
		if err := w.change(ctx, line); err != nil {
			w.t.Errorf("%s: %v", line, err)
		}
	}
}

func TestChangesReachMembersWhileTheyRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := startWatched(ctx, t, "30ms a -> b drop 10%")
	w.heard.await(ctx, t, 2, "start")
	w.heard.await(ctx, t, 1, "fault 30ms a -> b drop 10%")
	w.do(ctx, "a <-> b cut")
	w.heard.await(ctx, t, 2, "phase told ")
	w.do(ctx, "b pause")
	w.heard.await(ctx, t, 1, "pause")
	for _, line := range []string{"c crash", "a clock 50%", "a evict b", "b return"} {
		if w.change(ctx, line) == nil {
			t.Errorf("%s: no error", line)
		}
	}
	w.do(ctx, "b resume", "b crash", "b restart")
	w.heard.await(ctx, t, 3, "start")
	text, err := os.ReadFile(w.config.MapPath)
	if err != nil || !strings.Contains(string(text), "a <-> b  cut") || !strings.Contains(string(text), "b        restart") {
		t.Errorf("the map for who starts later: %v\n%s", err, text)
	}
	w.do(ctx, "a <-> b heal")
	report := <-w.done
	if report == nil {
		return
	}
	for id := range report.Members {
		if report.Members[id].Exit != exitOK {
			t.Errorf("member %d: exit %d", member.ID(id), report.Members[id].Exit)
		}
	}
	want := "crash " + trace.DataLost // there are no data folders
	if w.heard.back || !slices.Contains(w.heard.notes, want) {
		t.Errorf("time went back: %t; %q in %q", w.heard.back, want, w.heard.notes)
	}
}

func TestChangesEndWithTheRun(t *testing.T) {
	c := newCrew(Config{Members: 2}, Names(2), "")
	c.asked = time.Now()
	event := failure.Event{From: failure.Group{All: true}, Action: failure.Crash}
	if err := c.change(event); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("a change after the end: %v", err)
	}
}
