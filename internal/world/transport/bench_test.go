package transport

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"testing"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// pipe carries the same frame again and again from one end to the other.
type pipe struct {
	send   func() error
	arrive func() error // waits until one more has come
	stop   func()
}

// framesInFlight is the window of a benchmark, 4 MiB in frames of 64 KiB.
const framesInFlight = 64

// BenchmarkThroughput carries frames of batches of 16 KiB over loopback. plain
// and tls go through this package; raw and raw-tls write the same bytes to a
// connection whose other end discards them. All take turns, slice by slice, and
// the ratio of what TLS adds to a byte here and there is printed: 1 is what
// crypto/tls costs at all.
func BenchmarkThroughput(b *testing.B) {
	for _, batches := range []int{1, 4} {
		b.Run(fmt.Sprintf("%dKiB", batches*16), func(b *testing.B) {
			names := []string{"plain", "tls", "raw", "raw-tls"}
			took := make([]float64, len(names))
			pipes := []pipe{members2(b, batches, false), members2(b, batches, true), connection2(b, batches, false), connection2(b, batches, true)}
			const slice = 500 // frames of each, in turns
			b.ResetTimer()
			for done := 0; done < b.N; done += slice {
				for i, p := range pipes {
					before := b.Elapsed()
					if err := p.carry(min(slice, b.N-done)); err != nil {
						b.Skip("the machine is too busy: ", err)
					}
					took[i] += (b.Elapsed() - before).Seconds()
				}
			}
			b.StopTimer()
			for i, name := range names {
				pipes[i].stop()
				b.ReportMetric(float64(b.N)*float64(batches*16<<10)/took[i]/1e6, "MB/s-"+name)
			}
			b.ReportMetric((took[1]-took[0])/(took[3]-took[2]), "tls/raw-tls")
			b.ReportMetric(took[1]/took[3], "time/raw-tls")
		})
	}
}

// carry carries so many frames and waits until all have arrived.
func (p pipe) carry(frames int) error {
	for i := range frames + framesInFlight {
		if i < frames {
			if err := p.send(); err != nil {
				return err
			}
		}
		if i >= framesInFlight {
			if err := p.arrive(); err != nil {
				return err
			}
		}
	}
	return nil
}

// members2 is a pipe between two members.
func members2(b *testing.B, batches int, secure bool) pipe {
	b.Helper()
	list, listeners := listenAll(b, 2)
	keys := newAuthority(b)
	for i := range list {
		list[i].Name = member.Letter(member.ID(i))
	}
	var nodes []*socketNode
	for i, m := range list {
		nodes = append(nodes, startReal(b, list, member.ID(i), 1, listeners[i], func(c *Config) {
			if secure {
				c.TLS = keys.good(m.Name)
			}
		}))
	}
	m := &protocol.Message{From: 0, Identity: 100, Number: 1}
	for range batches {
		m.Batches = append(m.Batches, testBatch(0, 1, 16<<10-40))
	}
	expect(b, nodes[0].up, 1)
	return pipe{
		send: func() error { nodes[0].Send(protocol.Envelope{To: 1, Message: m}); return nil },
		arrive: func() error {
			select {
			case <-nodes[1].numbers:
				return nil
			case <-nodes[0].up:
				return fmt.Errorf("the link was lost, and a message with it")
			}
		},
		stop: func() { nodes[0].stop(); nodes[1].stop() },
	}
}

// connection2 is a pipe over one connection.
func connection2(b *testing.B, batches int, secure bool) pipe {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	_, listeners := listenAll(b, 1)
	keys := newAuthority(b)
	frame := make([]byte, batches*16<<10)
	arrived := make(chan error, framesInFlight)
	go func() {
		conn, err := listeners[0].Accept()
		if err == nil && secure {
			conn = tls.Server(conn, keys.good("reader"))
		}
		buffer := make([]byte, readBytesMax)
		whole := 0
		for err == nil {
			var n int
			n, err = conn.Read(buffer)
			for whole += n; whole >= len(frame) && err == nil; whole -= len(frame) {
				arrived <- nil
			}
		}
		if ctx.Err() == nil {
			arrived <- err
		}
	}()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", listeners[0].Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	if secure {
		config := keys.good("writer")
		config.ServerName = "reader"
		conn = tls.Client(conn, config)
	}
	return pipe{
		send:   func() error { _, err := conn.Write(frame); return err },
		arrive: func() error { return <-arrived },
		stop:   func() { cancel(); _ = conn.Close(); _ = listeners[0].Close() },
	}
}
