package memnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"chatterbox/internal/world/transport/memnet"
)

// connect returns both ends of a connection from a to b.
func connect(t *testing.T, network *memnet.Network) (near, far net.Conn) {
	t.Helper()
	listener, err := network.Listen("b")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	near, err = network.Dialer("a")(t.Context(), "tcp", "b")
	if err != nil {
		t.Fatal(err)
	}
	far, err = listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return near, far
}

func TestBytesArriveInOrderAndEndWithEOF(t *testing.T) {
	near, far := connect(t, memnet.New())
	sent := make([]byte, 3*memnet.BufferBytesMax)
	for i := range sent {
		sent[i] = byte(i * 7 >> 3)
	}
	go func() {
		_, _ = near.Write(sent)
		_ = near.Close()
	}()
	got, err := io.ReadAll(far)
	if err != nil || string(got) != string(sent) {
		t.Fatalf("got %d bytes of %d, error %v", len(got), len(sent), err)
	}
}

func TestHalfClosedConnectionStillAnswers(t *testing.T) {
	near, far := connect(t, memnet.New())
	_ = near.(*memnet.Conn).CloseWrite()
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("read after CloseWrite: %v", err)
	}
	if _, err := far.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := near.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Fatalf("read of the other direction: %d, %v", n, err)
	}
}

func TestLingerZeroResetsThePeer(t *testing.T) {
	near, far := connect(t, memnet.New())
	_, _ = near.Write([]byte("lost"))
	_ = near.(*memnet.Conn).SetLinger(0)
	_ = near.Close()
	if _, err := far.Read(make([]byte, 9)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("read after a reset: %v", err)
	}
}

func TestDeadlinesEndWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, _ := connect(t, memnet.New())
		start := time.Now()
		_ = near.SetReadDeadline(start.Add(time.Second))
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("read: %v", err)
		}
		_ = near.SetWriteDeadline(start.Add(3 * time.Second))
		n, err := near.Write(make([]byte, memnet.BufferBytesMax+1))
		if n != memnet.BufferBytesMax || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("write of more than fits: %d, %v", n, err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Fatalf("both took %v, want 3s", took)
		}
	})
}

func TestCutPathDeliversNothingAndTellsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New()
		near, far := connect(t, network)
		network.Cut("a", "b")
		if _, err := near.Write([]byte("x")); err != nil {
			t.Fatalf("a write into a cut path must look like any other: %v", err)
		}
		network.Heal("a", "b")
		_, _ = near.Write([]byte("y"))
		_ = near.Close()
		_ = far.SetReadDeadline(time.Now().Add(time.Hour))
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("read: %v", err)
		}
	})
}

func TestDialOverCutPathTakesUntilTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New()
		listener, err := network.Listen("b")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		network.Cut("b", "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if _, err := network.Dialer("a")(ctx, "tcp", "b"); err == nil || time.Since(start) != time.Minute {
			t.Fatalf("dial ended after %v with %v", time.Since(start), err)
		}
	})
}

func TestClosedListenerRefuses(t *testing.T) {
	network := memnet.New()
	listener, err := network.Listen("b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := network.Listen("b"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("second listener: %v", err)
	}
	waiting, err := network.Dialer("a")(t.Context(), "tcp", "b")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	if _, err := waiting.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("read of one that was never accepted: %v", err)
	}
	if _, err := network.Dialer("a")(t.Context(), "tcp", "b"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("dial: %v", err)
	}
	if _, err := listener.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("accept: %v", err)
	}
}

func TestPausedHostNeitherReadsNorWritesNorAccepts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New()
		near, far := connect(t, network)
		listener, err := network.Listen("b")
		if err != nil {
			t.Fatal(err)
		}
		network.Pause("b")
		_, _ = near.Write([]byte("x"))
		if _, err := network.Dialer("a")(t.Context(), "tcp", "b"); err != nil {
			t.Fatalf("a paused host's kernel accepts: %v", err)
		}
		_ = far.SetDeadline(time.Now().Add(time.Second))
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("read: %v", err)
		}
		if _, err := far.Write([]byte("y")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("write: %v", err)
		}
		_ = far.SetDeadline(time.Time{})
		paused := time.Now()
		time.AfterFunc(time.Minute, func() { network.Resume("b") })
		if _, err := listener.Accept(); err != nil || time.Since(paused) != time.Minute {
			t.Fatalf("accepted after %v, %v", time.Since(paused), err)
		}
		if n, err := far.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Fatalf("read after it resumed: %d, %v", n, err)
		}
	})
}
