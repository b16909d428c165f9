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
func measurePing(ctx context.Context, listener net.Listener, load Load, ready func() error) (Result, error) {
	switch load.Self {
	case 0:
		return serveBall(ctx, load, ready)
	case 1:
		return returnBall(listener, ready)
	}
	return Result{}, ready()
}

func serveBall(ctx context.Context, load Load, ready func() error) (Result, error) {
	conn, err := net.DialTimeout("tcp", load.Addrs[1], 5*time.Second)
	if err != nil {
		return Result{}, fmt.Errorf("bench: dial: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if err := ready(); err != nil {
		return Result{}, err
	}
	rate := load.Rate
	if rate == 0 {
		rate = pingRateSaturated
	}
	ticker := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer ticker.Stop()
	began := time.Now()
	result, ball := Result{}, make([]byte, 8)
	for time.Since(began) < load.Warmup+load.Duration && ctx.Err() == nil {
		<-ticker.C
		thrown := time.Now()
		if _, err := conn.Write(ball); err != nil {
			return result, fmt.Errorf("bench: ping: %w", err)
		}
		if _, err := io.ReadFull(conn, ball); err != nil {
			return result, fmt.Errorf("bench: pong: %w", err)
		}
		if thrown.Sub(began) >= load.Warmup {
			result.RoundTrip = append(result.RoundTrip, time.Since(thrown).Seconds()*1e3)
		}
	}
	return result, nil
}

func returnBall(listener net.Listener, ready func() error) (Result, error) {
	conn, err := listener.Accept()
	if err != nil {
		return Result{}, fmt.Errorf("bench: accept: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if err := ready(); err != nil {
		return Result{}, err
	}
	ball := make([]byte, 8)
	for {
		if _, err := io.ReadFull(conn, ball); err != nil {
			return Result{}, nil // the server has ended the game
		}
		if _, err := conn.Write(ball); err != nil {
			return Result{}, nil
		}
	}
}
