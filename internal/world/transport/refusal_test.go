//go:build linux

package transport

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// BenchmarkRefusal has strangers connect and leave, one after the other, more often
// than they are let in: what that costs, in processor time of all threads but the
// strangers' own, and of theirs, for over loopback the kernel connects them in their
// time. First each is accepted and refused, then the kernel drops what it can.
func BenchmarkRefusal(b *testing.B) {
	b.Run("accepted", func(b *testing.B) { // before Multipath TCP nothing is filtered
		benchmarkRefusal(b, func() (net.Listener, error) { return new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0") })
	})
	b.Run("dropped", func(b *testing.B) {
		benchmarkRefusal(b, func() (net.Listener, error) { return Listen(b.Context(), ListenConfig{Host: "127.0.0.1"}) })
	})
}

func benchmarkRefusal(b *testing.B, listen func() (net.Listener, error)) {
	b.Helper()
	listener, err := listen()
	if err != nil {
		b.Fatal(err)
	}
	t, err := Start(Config{
		List: member.List{{Name: "a", Host: "192.0.2.1", Port: 1}}, Identity: 1, Life: 1, Listener: listener,
		Dial: new(net.Dialer).DialContext, Handler: nobody{}, Pool: protocol.NewPool(64<<10, 1), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	to := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: listener.Addr().(*net.TCPAddr).Port}
	from := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 2}} // not where members are
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	knock := func(times int) {
		for range times {
			socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
			if err == nil {
				err = errors.Join(unix.SetsockoptLinger(socket, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}),
					unix.SetsockoptInt(socket, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1), unix.Bind(socket, from))
			}
			if err == nil {
				err = errors.Join(unix.Connect(socket, to), unix.Close(socket))
			}
			if err != nil && !errors.Is(err, unix.EINPROGRESS) {
				b.Fatal(err)
			}
		}
	}
	knock(2 * strangersBurst)
	others := func() time.Duration { return spent(b, unix.RUSAGE_SELF) - spent(b, unix.RUSAGE_THREAD) }
	refused, before, own := t.Refused(), others(), spent(b, unix.RUSAGE_THREAD)
	b.ResetTimer()
	knock(b.N)
	b.StopTimer()
	b.ReportMetric(float64((others()-before).Nanoseconds())/1e3/float64(b.N), "cpu-us/connect")
	b.ReportMetric(float64((spent(b, unix.RUSAGE_THREAD)-own).Nanoseconds())/1e3/float64(b.N), "stranger-us/connect")
	b.ReportMetric(float64(t.Refused()-refused)/float64(b.N), "refused/connect")
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	t.Close(ended)
}

// spent returns the processor time that a thread, or the process, has taken.
func spent(b *testing.B, who int) time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(who, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
