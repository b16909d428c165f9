package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// addressOf listens, answers each connection by a function, and returns where.
func addressOf(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			answer(conn)
		}
	}()
	return listener.Addr().String()
}

// TestWhoDoesNotAnswerIsToldApart asks at addresses where no member serves HTTP.
func TestWhoDoesNotAnswerIsToldApart(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secret := httptest.NewUnstartedServer(http.NotFoundHandler())
	secret.Config.ErrorLog = log.New(io.Discard, "", 0) // it is refused, as it is to be
	secret.StartTLS()
	defer secret.Close()
	silent := addressOf(t, func(conn net.Conn) { t.Cleanup(func() { _ = conn.Close() }) })
	closing := addressOf(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 10))
		_ = conn.Close()
	})
	other := addressOf(t, func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 frame: malformed bytes\r\n\r\n")
		}
		_ = conn.Close()
	})
	for address, want := range map[string]string{
		nobody:  "nobody listens at http://" + nobody + ": is the member running",
		silent:  "http://" + silent + " does not answer",
		closing: "ends the connection without an answer: did the member end just now, or is it the address for members?",
		other:   "does not speak HTTP",
		"https" + strings.TrimPrefix(plain.URL, "http"): "does not speak TLS: write the address with http://",
		secret.URL: "does not trust",
	} {
		c, err := New(address, "")
		if err != nil {
			t.Fatal(err)
		}
		wait := time.Minute
		if address == silent {
			wait = 20 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		_, err = c.Status(ctx)
		cancel()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Get ") {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
		if address == silent && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v is no end of time", address, err)
		}
	}
}
