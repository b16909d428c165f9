package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/show/dashboard"
	"chatterbox/internal/show/live"
	"chatterbox/internal/world/node"
)

// audience is all that a page costs besides what it costs the members: the
// events of all are brought together and drawn by a dashboard, which somebody
// watches. Only the browser is missing.
type audience struct {
	listener net.Listener
	page     *dashboard.Dashboard
	working  sync.WaitGroup
	stop     context.CancelFunc
}

// header is what the trace of a measurement begins with.
func header(load *Load) trace.Header {
	h := trace.Header{Protocol: load.Protocol}
	for place := range load.Addrs {
		h.Members = append(h.Members, memberName(place))
	}
	return h
}

func memberName(place int) string { return fmt.Sprintf("m%d", place) }

// invite lets a dashboard show the measurement, and tells the members where it
// hears them.
func invite(ctx context.Context, load *Load) (*audience, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("bench: listen for events: %w", err)
	}
	page, err := dashboard.New(dashboard.Config{Address: "127.0.0.1:0", Mode: dashboard.Live, Title: "bench", Header: header(load)})
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	began := time.Now()
	load.Events, load.Epoch = listener.Addr().String(), began.UnixNano()
	a := &audience{listener: listener, page: page}
	merger := live.NewMerger(func() time.Duration { return time.Since(began) }, page)
	ctx, a.stop = context.WithCancel(ctx)
	a.working.Go(func() {
		for range load.Addrs {
			events, err := listener.Accept()
			if err != nil {
				return
			}
			merger.Read(events)
		}
		merger.Run(ctx)
	})
	a.working.Go(func() { watch(ctx, page.URL()+"film") })
	return a, nil
}

// measure returns, once the members have measured, how much of a core the page and
// who watches it took meanwhile.
func (a *audience) measure(ctx context.Context, load *Load) <-chan float64 {
	cores := make(chan float64, 1)
	a.working.Go(func() {
		pause(ctx, load.Warmup)
		profiled := func() error { return nil }
		if load.Profiles != "" {
			if stop, err := profileAs(filepath.Join(load.Profiles, "watched-page.pprof")); err == nil {
				profiled = stop
			}
		}
		began, before := time.Now(), cpuSeconds()
		pause(ctx, load.Duration)
		cores <- over(cpuSeconds()-before, time.Since(began).Seconds())
		_ = profiled() // the members' say what is wrong with the folder
	})
	return cores
}

// watch reads what a browser would.
func watch(ctx context.Context, address string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	answer, err := client.Do(request)
	if err != nil {
		return
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	_, _ = io.Copy(io.Discard, answer.Body)
}

// end ends the page once the members have ended.
func (a *audience) end() {
	a.stop()
	_ = a.listener.Close()
	a.working.Wait()
	_ = a.page.Close()
}

// tellEvents lets a member tell its events to the audience until end is called.
func tellEvents(ctx context.Context, load *Load, cfg *node.Config) (end func(), err error) {
	if load.Events == "" {
		return func() {}, nil
	}
	events, err := (&net.Dialer{}).DialContext(ctx, "tcp", load.Events)
	if err != nil {
		return nil, fmt.Errorf("bench: tell events: %w", err)
	}
	began := time.Unix(0, load.Epoch)
	sender := live.NewSender(events, header(load), func() time.Duration { return time.Since(began) })
	cfg.Watcher = trace.NewRecorder(sender, member.ID(load.Self), len(load.Addrs)).Light(sender)
	return func() {
		sender.Close()
		_ = events.Close()
	}, nil
}
