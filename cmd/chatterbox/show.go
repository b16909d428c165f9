package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"chatterbox/cluster"
	"chatterbox/failure"
)

// show is one run of a cluster, shown while it goes on.
type show struct {
	console  *console
	nodes    int
	flags    *runFlags
	events   failure.Map
	schedule *failure.Schedule // of events; nil breaks nothing
	trace    string            // file of the merged trace, empty for none
}

// run runs the cluster in a folder of its own that is gone afterwards.
func (s *show) run(seed uint64) (*cluster.Report, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, to run it once for each member: %w", err)
	}
	folder, err := os.MkdirTemp("", "chatterbox-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a leftover in the temporary folder hurts nobody
	runFor := s.flags.SendFor.Duration + s.flags.WaitFor.Duration
	board := newBoard(s.console, cluster.Names(s.nodes), runFor, s.events)
	config := cluster.Config{
		Executable: executable, Arguments: s.flags.arguments(seed), Members: s.nodes, RunFor: runFor,
		Schedule: s.schedule, Epoch: board.epoch, Folder: folder, DataDir: s.dataDir(folder),
		Progress: board.progress, Line: board.line, Tick: board.tick, Log: s.console.loggerAbove(board.screen, s.flags.Verbose),
	}
	config.Trace, config.Header = s.trace, traceHeader(cluster.Names(s.nodes), s.flags, seed)
	config.Header.Journal = config.DataDir != ""
	if s.schedule != nil {
		config.MapPath = filepath.Join(folder, "failure-map.txt")
		if err := os.WriteFile(config.MapPath, []byte(s.events.String()), 0o600); err != nil {
			return nil, err
		}
	}
	ctx, kill, stop := twoInterrupts()
	defer stop()
	report, err := cluster.Run(ctx, kill, config)
	board.screen.clear()
	return report, err
}

// dataDir gives the folder of the members' data: the one that was asked for,
// else a temporary one if the map restarts members that crashed with theirs.
func (s *show) dataDir(folder string) string {
	if s.flags.DataDir.Value != "" || s.schedule == nil {
		return s.flags.DataDir.Value
	}
	crashed := map[int]bool{}
	for _, event := range s.schedule.Members() {
		switch {
		case event.Action == failure.Crash:
			crashed[int(event.Member)] = true
		case event.Action == failure.Restart && crashed[int(event.Member)]:
			return filepath.Join(folder, "data")
		}
	}
	return ""
}

// twoInterrupts gives a context that ends at the first interrupt and one that
// ends at the second, or half a minute after the first.
func twoInterrupts() (first, second context.Context, stop func()) {
	first, cancelFirst := context.WithCancel(context.Background())
	second, cancelSecond := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancelFirst()
		select {
		case <-signals:
		case <-time.After(interruptPatience):
		case <-second.Done():
		}
		cancelSecond()
	}()
	return first, second, func() {
		signal.Stop(signals)
		cancelSecond()
		cancelFirst()
	}
}

// interruptPatience is how long members may take to end after an interrupt
// when they have a long grace phase.
const interruptPatience = 30 * time.Second
