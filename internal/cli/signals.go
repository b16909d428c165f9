package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// ErrInterrupted is the cause of the end of what [Console.Interruptible]
// returns, and what a command returns that has nothing more to say about it.
var ErrInterrupted = errors.New("interrupted")

// interruptPatience is how long a command may wait after the first signal for
// somebody who takes its output: whoever was to read it may never come back.
const interruptPatience = 900 * time.Millisecond

// killPatience is how long a command may take to put things away after a
// second signal.
const killPatience = 300 * time.Millisecond

// signals is what became known of signals so far.
type signals struct {
	first  os.Signal
	second os.Signal
	obeyed bool // the command did what the first one asks for, and said so
}

// Obeyed says that the command has ended in good order, as the signal asked: it
// was not interrupted.
func (c *Console) Obeyed() { c.note(func(s *signals) { s.obeyed = true }) }

func (c *Console) obeyed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.signals.obeyed
}

// Interruptible lets SIGINT, SIGTERM and SIGHUP end the command in good order:
// the first one ends ctx, and the command says within a second what it knows.
// A second one ends kill too; soon after it the program is gone. SIGHUP stays
// ignored for those who started it so (nohup).
func (c *Console) Interruptible() (ctx, kill context.Context) {
	ctx, interrupt := context.WithCancelCause(context.Background())
	kill, killed := context.WithCancelCause(context.Background())
	arrived := make(chan os.Signal, 2)
	signal.Notify(arrived, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(arrived, syscall.SIGHUP)
	}
	go func() {
		first := <-arrived
		c.note(func(s *signals) { s.first = first })
		interrupt(ErrInterrupted)
		second := c.secondOf(arrived)
		c.note(func(s *signals) { s.second = second })
		killed(ErrInterrupted)
		time.Sleep(killPatience)
		c.removeAll()
		die(second)
	}()
	return ctx, kill
}

// secondOf waits for a second signal. Meanwhile it ends the program if that
// waits for room in a full pipe.
func (c *Console) secondOf(arrived <-chan os.Signal) os.Signal {
	for {
		select {
		case second := <-arrived:
			return second
		case <-time.After(interruptPatience):
		}
		if c.stuck() {
			c.Errorf("interrupted: nobody takes the output, so it is not complete")
			c.removeAll()
			os.Exit(int(Failed))
		}
	}
}

// stuck reports whether something waits in a write.
func (c *Console) stuck() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	stuck := c.Stdout.writing.Load() > 0
	for _, file := range c.files {
		stuck = stuck || file.out.writing.Load() > 0
	}
	return stuck
}

func (c *Console) note(change func(*signals)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.signals)
}

// signalled reports whether a signal interrupted the command.
func (c *Console) signalled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.signals.first != nil
}

// dieIfKilled ends the program as a second signal asks for.
func (c *Console) dieIfKilled() {
	c.mu.Lock()
	second := c.signals.second
	c.mu.Unlock()
	if second != nil {
		c.removeAll()
		die(second)
	}
}

// exitSignal is what a shell adds to the number of a signal that ended a
// program.
const exitSignal = 128

// die ends the program by a signal, so that whoever waits for it sees that.
func die(by os.Signal) {
	signal.Reset(by)
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Signal(by)
		time.Sleep(killPatience) // the signal comes in its own time
	}
	number, _ := by.(syscall.Signal)
	os.Exit(exitSignal + int(number))
}

// KeepBrokenPipes lets a write to a pipe that nobody reads fail like any other
// write, instead of ending the program before it has put things away.
func KeepBrokenPipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// Until returns what work comes to, and whether it was done before ctx ended.
// Otherwise the work goes on for nobody.
func Until[T any](ctx context.Context, work func() (T, error)) (value T, done bool, err error) {
	type result struct {
		value T
		err   error
	}
	worked := make(chan result, 1)
	go func() {
		value, err := work()
		worked <- result{value, err}
	}()
	select {
	case r := <-worked:
		return r.value, true, r.err
	case <-ctx.Done():
		return value, false, nil
	}
}
