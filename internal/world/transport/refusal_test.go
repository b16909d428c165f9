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
// than they are let in: what accepting and refusing one costs, in processor time of
// all threads but the strangers' own. What the kernel does to connect them counts
// as theirs: over loopback it does all of it for them.
func BenchmarkRefusal(b *testing.B) {
	listener, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
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
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	knock := func(times int) {
		for range times {
			socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err == nil {
				err = errors.Join(unix.SetsockoptLinger(socket, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}), unix.Connect(socket, to), unix.Close(socket))
			}
			if err != nil && !errors.Is(err, unix.ECONNRESET) { // refused while it connects
				b.Fatal(err)
			}
		}
	}
	knock(2 * strangersBurst)
	others := func() time.Duration { return spent(b, unix.RUSAGE_SELF) - spent(b, unix.RUSAGE_THREAD) }
	refused, before := t.Refused(), others()
	b.ResetTimer()
	knock(b.N)
	b.StopTimer()
	for t.Refused()-refused < uint64(b.N)/2 { // some are let in
		runtime.Gosched()
	}
	b.ReportMetric(float64((others()-before).Nanoseconds())/1e3/float64(b.N), "cpu-us/connect")
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
