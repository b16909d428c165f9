package serve

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatterbox"
)

// BenchmarkLayers writes entries of 100 bytes, one after the other over one
// connection, to one member alone, with and without a folder: through all of the
// server, through a handler that does nothing else, through a loop that knows no HTTP,
// and past all of them; in turns with a file that is synced, and with a server that
// writes nothing. Who comes after a disk pays for waking up, so that one is asked once
// more before. The figures are p50 in us.
func BenchmarkLayers(b *testing.B) {
	for _, dir := range []string{"", b.TempDir()} {
		b.Run(fmt.Sprintf("folder=%v", dir != ""), func(b *testing.B) { benchmarkLayers(b, dir) })
	}
}

func benchmarkLayers(b *testing.B, dir string) {
	b.Helper()
	n := alone(b, dir)
	raw, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer raw.Close() //nolint:errcheck // nobody reads it
	payload := bytes.Repeat([]byte{'x'}, 100)
	bare := poster(b, serving(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(appendReceipt(nil, chatterbox.ID{Origin: "a", Seq: 1}, 0))
	}))
	lean := poster(b, serving(b, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		id, err := n.Broadcast(r.Context(), body)
		if err != nil {
			b.Error(err)
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(appendReceipt(nil, id, 0))
	}))
	layers := []struct {
		name string
		call func() error
		took []time.Duration
	}{
		{name: "raw", call: func() error {
			_, err := raw.Write(payload)
			if err == nil {
				err = raw.Sync()
			}
			return err
		}},
		{name: "", call: bare}, // wakes up what waited for the disk
		{name: "lean", call: lean},
		{name: "served", call: poster(b, listening(b, New(Config{Node: n})))},
		{name: "bare", call: bare},
		{name: "own-loop", call: poster(b, loop(b, n))},
		{name: "package", call: func() error {
			_, err := n.Broadcast(b.Context(), payload)
			return err
		}},
	}
	for b.Loop() {
		for i := range layers {
			began := time.Now()
			if err := layers[i].call(); err != nil {
				b.Fatal(err)
			}
			layers[i].took = append(layers[i].took, time.Since(began))
		}
	}
	for _, layer := range layers {
		if slices.Sort(layer.took); layer.name != "" {
			b.ReportMetric(float64(layer.took[len(layer.took)/2].Nanoseconds())/1e3, "us-"+layer.name)
		}
	}
}

// alone starts a member that is alone, until the benchmark ends.
func alone(b *testing.B, dir string) *chatterbox.Node {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	n, err := chatterbox.Open(b.Context(), chatterbox.Config{
		Name: "a", Members: []chatterbox.Member{{Name: "a", Address: address}}, Dir: dir, Volatile: dir == "",
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = n.Close(context.Background()) })
	return n
}

func serving(b *testing.B, handler http.HandlerFunc) string { return listening(b, handler) }

// poster returns what posts an entry.
func poster(b *testing.B, address string) func() error {
	b.Helper()
	conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	request := []byte("POST /v1/entries HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n" + strings.Repeat("x", 100))
	in := bufio.NewReader(conn)
	return func() error {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err == nil && answer.StatusCode != http.StatusCreated {
			err = fmt.Errorf("%s: %s", answer.Status, body)
		}
		return err
	}
}

// loop is what a server could be that knows this one request only: without net/http.
func loop(b *testing.B, n *chatterbox.Node) (address string) {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		in, body := bufio.NewReader(conn), make([]byte, 100)
		for {
			for line := []byte("POST"); err == nil && len(line) > len("\r\n"); {
				line, err = in.ReadSlice('\n')
			}
			if err == nil {
				_, err = io.ReadFull(in, body)
			}
			if err != nil {
				return
			}
			id, err := n.Broadcast(b.Context(), body)
			if err != nil {
				b.Error(err)
			}
			receipt := appendReceipt(nil, id, 0)
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s", len(receipt), receipt)
		}
	}()
	return listener.Addr().String()
}
