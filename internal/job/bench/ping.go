package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

// pingRateSaturated is the pace of the ping-pong beside a saturated run, a second.
const pingRateSaturated = 1000

// measurePing has the first two members play a raw TCP ping-pong: a ball of 8
// bytes at the pace of the run. The others rest.
func measurePing(ctx context.Context, listener net.Listener, load Load, barrier Barrier) (Result, error) {
	var result Result
	play := func() error { return nil }
	switch load.Self {
	case 0:
		conn, err := dial(ctx, load.Addrs[1])
		if err != nil {
			return Result{}, err
		}
		defer func() { _ = conn.Close() }()
		play = func() (err error) {
			result.RoundTrip, err = throwBall(ctx, conn, load)
			return err
		}
	case 1:
		conn, err := listener.Accept()
		if err != nil {
			return Result{}, fmt.Errorf("bench: accept: %w", err)
		}
		defer func() { _ = conn.Close() }()
		go returnBall(conn)
	}
	for _, step := range []func() error{barrier, play, barrier} {
		if err := step(); err != nil {
			return Result{}, err
		}
	}
	return result, nil
}

// throwBall throws the ball at a steady pace, and gives the milliseconds that
// it was away each time.
func throwBall(ctx context.Context, conn net.Conn, load Load) (away []float64, err error) {
	rate := load.Rate
	if rate == 0 {
		rate = pingRateSaturated
	}
	ticker := time.NewTicker(max(1, time.Duration(float64(time.Second)/rate)))
	defer ticker.Stop()
	began := time.Now()
	ball := make([]byte, 8)
	for time.Since(began) < load.Warmup+load.Duration && ctx.Err() == nil {
		<-ticker.C
		thrown := time.Now()
		if _, err := conn.Write(ball); err != nil {
			return nil, fmt.Errorf("bench: ping: %w", err)
		}
		if _, err := io.ReadFull(conn, ball); err != nil {
			return nil, fmt.Errorf("bench: pong: %w", err)
		}
		if thrown.Sub(began) >= load.Warmup {
			away = append(away, time.Since(thrown).Seconds()*1e3)
		}
	}
	return away, nil
}

// returnBall throws back what comes, until nothing comes any more.
func returnBall(conn net.Conn) {
	ball := make([]byte, 8)
	for {
		if _, err := io.ReadFull(conn, ball); err != nil {
			return
		}
		if _, err := conn.Write(ball); err != nil {
			return
		}
	}
}
