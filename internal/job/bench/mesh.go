package bench

import (
	"context"
	"fmt"
	"net"
	"time"
)

const dialTimeout = 5 * time.Second

// connect dials every peer and takes a connection from every peer, as members
// of a cluster do: one connection for each direction.
func connect(ctx context.Context, listener net.Listener, load Load) (out, in []net.Conn, err error) {
	accepted := make(chan error, 1)
	go func() {
		for range len(load.Addrs) - 1 {
			conn, err := listener.Accept()
			if err != nil {
				accepted <- err
				return
			}
			in = append(in, conn)
		}
		accepted <- nil
	}()
	for i, addr := range load.Addrs {
		if i == load.Self {
			continue
		}
		conn, err := dial(ctx, addr)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, conn)
	}
	err = <-accepted
	return out, in, err
}

func dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("bench: dial a peer: %w", err)
	}
	return conn, nil
}
