package transport

import (
	"context"
	"errors"
	"net"
	"time"
)

// addressPause is how long one address of a name is waited for before the next
// one is tried beside it (RFC 8305, Happy Eyeballs, 2017, calls it the
// connection attempt delay).
const addressPause = 100 * time.Millisecond

// dialed is what came of dialing one of several addresses.
type dialed struct {
	conn  net.Conn
	place int // of the address among the targets
	err   error
}

// connect connects to the first of the targets that answers. Each has
// DialTimeout; the next one begins when the one before has failed or was
// silent for a while.
func (t *Transport) connect(targets []string) dialed {
	if len(targets) == 1 {
		return t.dialOne(t.running, targets[0], 0)
	}
	ctx, cancel := context.WithCancel(t.running)
	defer cancel()
	results := make(chan dialed, len(targets))
	var failed []error
	begun, pending := 0, 0
	for begun < len(targets) || pending > 0 {
		var pause <-chan time.Time
		if begun < len(targets) {
			place := begun
			t.group.Go(func() { results <- t.dialOne(ctx, targets[place], place) })
			begun, pending = begun+1, pending+1
			pause = time.After(addressPause)
		}
		select {
		case <-pause:
			continue
		case result := <-results:
			pending--
			if result.err == nil {
				t.dismiss(results, pending)
				return result
			}
			failed = append(failed, result.err)
		}
	}
	return dialed{err: errors.Join(failed...)}
}

// dismiss closes what the other attempts may still bring.
func (t *Transport) dismiss(results <-chan dialed, pending int) {
	t.group.Go(func() {
		for range pending {
			if result := <-results; result.conn != nil {
				abort(result.conn)
			}
		}
	})
}

func (t *Transport) dialOne(ctx context.Context, target string, place int) dialed {
	ctx, cancel := context.WithTimeout(ctx, t.config.DialTimeout)
	defer cancel()
	conn, err := t.config.Dial(ctx, "tcp", target)
	return dialed{conn: conn, place: place, err: err}
}
