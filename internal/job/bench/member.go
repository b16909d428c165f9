package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
)

// Barrier waits until all members have called it as often as this one.
type Barrier func() error

// Measure is what one process does in one measurement: it connects to the
// others, which listen on load.Addrs, passes the barrier, measures with
// Window, and ends what it began; it also closes the listener. A measurement
// without Window passes the barrier a second time when it has measured.
type Measure func(ctx context.Context, listener net.Listener, load Load, barrier Barrier) (Result, error)

// Member is the process of one member in one measurement: it tells its address
// on out, reads its load from in, measures and tells the result. At a barrier
// it says so on out and waits for a line. When in ends early, so does Member.
// Modes that this package does not know are looked up in others.
func Member(ctx context.Context, in io.Reader, out io.Writer, others map[Mode]Measure) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("bench: listen: %w", err)
	}
	defer func() { _ = listener.Close() }()
	if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines := make(chan string)
	go func() {
		defer cancel() // whoever wants the result is gone
		scanner := bufio.NewScanner(in)
		scanner.Buffer(nil, lineBytesMax)
		for scanner.Scan() {
			lines <- scanner.Text()
		}
	}()
	next := func() (string, error) {
		select {
		case line := <-lines:
			return line, nil
		case <-ctx.Done():
			return "", errors.New("bench: told nothing more")
		}
	}
	line, err := next()
	if err != nil {
		return err
	}
	var load Load
	if err := json.Unmarshal([]byte(line), &load); err != nil {
		return fmt.Errorf("bench: read the load: %w", err)
	}
	result, err := measure(load.Mode, others)(ctx, listener, load, func() error {
		if _, err := fmt.Fprintln(out, atBarrier); err != nil {
			return err
		}
		_, err := next()
		return err
	})
	if err != nil {
		result.Error = err.Error()
	}
	return json.NewEncoder(out).Encode(result)
}

const (
	lineBytesMax = 1 << 20   // of a load
	atBarrier    = "waiting" // what a member says at a barrier
)

func measure(mode Mode, others map[Mode]Measure) Measure {
	switch mode {
	case Limit, Fresh, Raw:
		return measureFlood
	case Ping:
		return measurePing
	case Ordered, Watched:
		return measureOrdered
	case Trips:
		return measureTrips
	}
	if other, ok := others[mode]; ok {
		return other
	}
	return func(context.Context, net.Listener, Load, Barrier) (Result, error) {
		return Result{}, fmt.Errorf("bench: unknown mode %q", mode)
	}
}
