//go:build unix

package serve_test

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
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The figures of HTTP: three members, each a process, and all clients in this
// one. A client is as lean as one can be, for it runs on the same cores: it
// writes bytes that were made before, and looks in answers for their ends only.
//
//	go test ./test/serve -run '^$' -bench . -benchtime 3s

const benchConnections = 64

// readyHouse starts members and waits until they take entries in.
func readyHouse(b *testing.B, volatile bool) *house {
	b.Helper()
	h := newHouse(b)
	h.volatile = volatile
	h.meet()
	return h
}

// BenchmarkPosts writes entries of 100 bytes, one a request, over 64
// connections that stay open: entries/s from the first answer to the last.
func BenchmarkPosts(b *testing.B) {
	h := readyHouse(b, true)
	body := strings.Repeat("x", 100)
	var left atomic.Int64
	left.Store(int64(b.N))
	var clients sync.WaitGroup
	b.ResetTimer()
	for i := range benchConnections {
		clients.Go(func() {
			c := dialWeb(b, h.places[i%members].web)
			defer c.Close() //nolint:errcheck // of no interest any more
			request := []byte("POST /v1/entries HTTP/1.1\r\nHost: " + h.places[i%members].web + "\r\nContent-Length: 100\r\n\r\n" + body)
			in := bufio.NewReader(c)
			for left.Add(-1) >= 0 {
				if _, err := c.Write(request); err != nil {
					b.Error(err)
					return
				}
				if err := created(in); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// created reads one answer, which must be 201.
func created(in *bufio.Reader) error {
	length := 0
	for n := 0; ; n++ {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if n == 0 && !bytes.HasPrefix(line, []byte("HTTP/1.1 201 ")) {
			rest, _ := in.Peek(in.Buffered())
			return fmt.Errorf("answered %q %q", line, rest)
		}
		if digits, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(digits))); err != nil {
				return err
			}
		}
		if len(bytes.TrimSpace(line)) == 0 {
			_, err := in.Discard(length)
			return err
		}
	}
}

func dialWeb(b *testing.B, address string) net.Conn {
	b.Helper()
	c, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// BenchmarkLines writes entries of 100 bytes as JSON lines, one request at each
// member, and reads every answer.
func BenchmarkLines(b *testing.B) {
	h := readyHouse(b, true)
	line := []byte(`"` + strings.Repeat("x", 100) + "\"\n")
	var clients sync.WaitGroup
	b.ResetTimer()
	for i := range members {
		count := (b.N + i) / members
		clients.Go(func() {
			if err := postLines(b.Context(), "http://"+h.places[i].web+"/v1/entries", line, count); err != nil {
				b.Error(err)
			}
		})
	}
	clients.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

func postLines(ctx context.Context, url string, line []byte, count int) error {
	body, lines := io.Pipe()
	go func() {
		many := bytes.Repeat(line, 500)
		for left := count; left > 0; left -= 500 {
			if _, err := lines.Write(many[:min(left, 500)*len(line)]); err != nil {
				return
			}
		}
		_ = lines.Close()
	}()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	answers, last := 0, []byte(nil)
	buffer := make([]byte, 64<<10)
	for {
		n, err := response.Body.Read(buffer)
		answers += bytes.Count(buffer[:n], []byte{'\n'})
		if n > 0 {
			last = append(last[:0], buffer[max(0, n-200):n]...)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if count > 0 && (answers != count || bytes.Contains(last, []byte("error"))) {
		return fmt.Errorf("%d answers to %d lines, the last ones %q", answers, count, last)
	}
	return nil
}

// BenchmarkAccepted writes one entry of 100 bytes after the other to a member
// with a folder, and in turns the same bytes to a file of its own on the same
// disk with fdatasync: p50 of each, and their ratio. What HTTP itself takes is
// measured by the same request to a member without a folder.
func BenchmarkAccepted(b *testing.B) {
	durable, volatile := readyHouse(b, false), readyHouse(b, true)
	file, err := os.Create(filepath.Join(durable.folder, "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // nobody reads it
	payload := bytes.Repeat([]byte{'x'}, 100)
	post := func(h *house) func() error {
		c := dialWeb(b, h.places[0].web)
		request := []byte("POST /v1/entries HTTP/1.1\r\nHost: " + h.places[0].web + "\r\nContent-Length: 100\r\n\r\n" + string(payload))
		in := bufio.NewReader(c)
		return func() error {
			if _, err := c.Write(request); err != nil {
				return err
			}
			return created(in)
		}
	}
	kinds := []struct {
		name string
		call func() error
		took []time.Duration
	}{
		{name: "durable", call: post(durable)},
		{name: "http", call: post(volatile)},
		{name: "raw", call: func() error {
			if _, err := file.Write(payload); err != nil {
				return err
			}
			return unix.Fdatasync(int(file.Fd()))
		}},
	}
	b.ResetTimer()
	for range b.N {
		for i := range kinds {
			began := time.Now()
			if err := kinds[i].call(); err != nil {
				b.Fatal(err)
			}
			kinds[i].took = append(kinds[i].took, time.Since(began))
		}
	}
	b.StopTimer()
	p50 := map[string]float64{}
	for _, kind := range kinds {
		slices.Sort(kind.took)
		p50[kind.name] = float64(kind.took[len(kind.took)/2].Microseconds())
		b.ReportMetric(p50[kind.name], "us-"+kind.name)
	}
	b.ReportMetric(p50["durable"]/p50["raw"], "durable/raw")
}

// BenchmarkScraped writes JSON lines in slices, in turns with and without
// somebody who reads the metrics of every member once a second, and prints what
// is left of the throughput then: the median of the ratios of neighbours.
func BenchmarkScraped(b *testing.B) {
	const slice = 200_000 // entries at each member
	h := readyHouse(b, true)
	line := []byte(`"` + strings.Repeat("x", 100) + "\"\n")
	write := func() time.Duration {
		began := time.Now()
		var clients sync.WaitGroup
		for i := range members {
			clients.Go(func() {
				if err := postLines(b.Context(), "http://"+h.places[i].web+"/v1/entries", line, slice); err != nil {
					b.Error(err)
				}
			})
		}
		clients.Wait()
		return time.Since(began)
	}
	write() // a warm-up
	var ratios []float64
	b.ResetTimer()
	for range b.N {
		alone := write()
		ctx, stop := context.WithCancel(b.Context())
		var scrapers sync.WaitGroup
		scrapers.Go(func() {
			for ; ctx.Err() == nil; pause(ctx, time.Second) {
				for i := range members {
					h.scrape(ctx, i)
				}
			}
		})
		watched := write()
		stop()
		scrapers.Wait()
		ratios = append(ratios, alone.Seconds()/watched.Seconds())
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "left")
}

// scrape reads the metrics of a member.
func (h *house) scrape(ctx context.Context, i int) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.places[i].web+"/metrics", nil)
	if err != nil {
		h.t.Error(err)
		return
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		if ctx.Err() == nil {
			h.t.Error(err)
		}
		return
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if _, err := io.Copy(io.Discard, response.Body); (err != nil || response.StatusCode != http.StatusOK) && ctx.Err() == nil {
		h.t.Errorf("metrics of member %d: %s, %v", i, response.Status, err)
	}
}
