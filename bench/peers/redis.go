package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"chatterbox/internal/job/bench"
)

// redisPart is a member that writes to and reads from one stream of a Redis
// server, which the first member runs. The server holds the only copy, in
// memory: it orders, but it replicates nothing.
type redisPart struct {
	client rueidis.Client
	kept   string // messages that the stream keeps at least
	server *exec.Cmd
	cancel context.CancelFunc
	read   chan error
}

const (
	redisStream    = "s"
	redisField     = "d"
	redisReadBytes = 512 << 10 // of one XREAD, about
	redisKeptBytes = 64 << 20  // of messages in the stream, about; readers must not fall behind further
	redisEachBytes = 32        // what a short message takes in the stream, about
	redisPatience  = 5 * time.Second
	clockTicks     = 100 // a second, in /proc
)

func openRedis(ctx context.Context, listener net.Listener, load bench.Load, w *writer) (system, error) {
	_, port, err := net.SplitHostPort(load.Addrs[0])
	if err != nil {
		return nil, err
	}
	if err := listener.Close(); err != nil {
		return nil, err
	}
	p := &redisPart{read: make(chan error, 1)}
	p.kept = strconv.Itoa(redisKeptBytes / (redisEachBytes + w.tuning.entries*entryBytes))
	if load.Self == 0 {
		if err := p.serve(port); err != nil {
			return nil, err
		}
		w.besides = p.usage
	}
	if err := p.connect(ctx, load.Addrs[0]); err != nil {
		return nil, errors.Join(err, p.stopServer())
	}
	ctx, p.cancel = context.WithCancel(ctx)
	go func() { p.read <- p.follow(ctx, w) }()
	return p, nil
}

// serve starts the server: all in memory, no snapshots.
func (p *redisPart) serve(port string) error {
	p.server = exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--stream-node-max-bytes", "1048576", "--stream-node-max-entries", "1000", "--loglevel", "warning")
	if err := p.server.Start(); err != nil {
		return fmt.Errorf("redis-server (Debian's package of that name): %w", err)
	}
	return nil
}

// connect waits until the server is there.
func (p *redisPart) connect(ctx context.Context, addr string) error {
	deadline := time.Now().Add(redisPatience)
	for {
		var err error
		p.client, err = rueidis.NewClient(rueidis.ClientOption{
			InitAddress: []string{addr}, DisableCache: true, ForceSingleClient: true,
			ReadBufferEachConn: 1 << 20, WriteBufferEachConn: 1 << 20,
		})
		if err == nil || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Publish sends the messages as one pipeline.
func (p *redisPart) Publish(ctx context.Context, messages [][]byte) error {
	commands := make(rueidis.Commands, len(messages))
	for i, message := range messages {
		commands[i] = p.client.B().Xadd().Key(redisStream).Maxlen().Almost().Threshold(p.kept).Id("*").
			FieldValue().FieldValue(redisField, rueidis.BinaryString(message)).Build()
	}
	for _, result := range p.client.DoMulti(ctx, commands...) {
		if err := result.Error(); err != nil {
			return fmt.Errorf("redis: XADD: %w", err)
		}
	}
	return nil
}

// follow delivers the stream from its start.
func (p *redisPart) follow(ctx context.Context, w *writer) error {
	last, count := "0", int64(redisReadBytes/(redisEachBytes+w.tuning.entries*entryBytes))
	for ctx.Err() == nil {
		streams, err := p.client.Do(ctx, p.client.B().Xread().Count(count).Block(1000).Streams().Key(redisStream).Id(last).Build()).ToMap()
		if rueidis.IsRedisNil(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("redis: XREAD: %w", err)
		}
		stream := streams[redisStream]
		entries, err := stream.ToArray()
		if err != nil {
			return fmt.Errorf("redis: XREAD: %w", err)
		}
		for i := range entries {
			if last, err = deliverRedis(&entries[i], w); err != nil {
				return err
			}
		}
	}
	return nil
}

// deliverRedis takes an entry of the stream apart: its id, and a list of one
// field and its value.
func deliverRedis(entry *rueidis.RedisMessage, w *writer) (id string, err error) {
	parts, err := entry.ToArray()
	if err != nil || len(parts) != 2 {
		return "", fmt.Errorf("redis: an entry of %d parts: %w", len(parts), err)
	}
	fields, err := parts[1].ToArray()
	if err != nil || len(fields) != 2 {
		return "", fmt.Errorf("redis: an entry with %d fields and values: %w", len(fields), err)
	}
	value, err := fields[1].AsBytes()
	if err != nil || len(value) < entryBytes {
		return "", fmt.Errorf("redis: a value of %d bytes: %w", len(value), err)
	}
	w.deliver(value)
	return parts[0].ToString()
}

// usage reads the processor time and the memory of the server.
func (p *redisPart) usage() (cpu float64, rss uint64) {
	folder := fmt.Sprintf("/proc/%d/", p.server.Process.Pid)
	stat, _ := os.ReadFile(folder + "stat")
	_, rest, _ := strings.Cut(string(stat), ") ") // the name before may hold blanks
	if fields := strings.Fields(rest); len(fields) > 12 {
		user, _ := strconv.ParseFloat(fields[11], 64)
		system, _ := strconv.ParseFloat(fields[12], 64)
		cpu = (user + system) / clockTicks
	}
	statm, _ := os.ReadFile(folder + "statm")
	if fields := strings.Fields(string(statm)); len(fields) > 1 {
		pages, _ := strconv.ParseUint(fields[1], 10, 64)
		rss = pages * uint64(os.Getpagesize())
	}
	return cpu, rss
}

// Close stops reading, and the server where it runs.
func (p *redisPart) Close() error {
	p.cancel()
	err := <-p.read
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	p.client.Close()
	return errors.Join(err, p.stopServer())
}

func (p *redisPart) stopServer() error {
	if p.server == nil {
		return nil
	}
	if err := p.server.Process.Kill(); err != nil {
		return err
	}
	_ = p.server.Wait() // killed, as it was told
	return nil
}
