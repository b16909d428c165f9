package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"chatterbox/internal/job/bench"
)

// natsPart is a member with a NATS server embedded, all of which form a
// cluster with one JetStream stream, held in the memory of three of them.
type natsPart struct {
	server  *server.Server
	conn    *nats.Conn
	js      jetstream.JetStream
	reading jetstream.ConsumeContext
	folder  string
}

const (
	natsSubject   = "s"
	natsReplicas  = 3
	natsKeptBytes = 512 << 20 // of the stream; readers must not fall behind further
	natsPatience  = 30 * time.Second
	natsPullBytes = 16 << 20 // on their way to a reader
	natsPullCount = 32 << 10 // likewise, messages
)

func openNATS(ctx context.Context, listener net.Listener, load bench.Load, w *writer) (_ system, err error) {
	if err := listener.Close(); err != nil {
		return nil, err
	}
	p := &natsPart{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if err := p.serve(load); err != nil {
		return nil, err
	}
	if p.conn, err = nats.Connect("", nats.InProcessServer(p.server)); err != nil {
		return nil, fmt.Errorf("nats: connect: %w", err)
	}
	if p.js, err = jetstream.New(p.conn, jetstream.WithPublishAsyncMaxPending(2*w.tuning.window)); err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, natsPatience)
	defer cancel()
	if err := p.createStream(ctx, load.Self == 0); err != nil {
		return nil, err
	}
	return p, p.follow(ctx, w)
}

// serve starts the server, whose cluster port is the listener's address.
func (p *natsPart) serve(load bench.Load) (err error) {
	if p.folder, err = os.MkdirTemp("", "chatterbox-nats-"); err != nil {
		return err
	}
	host, text, err := net.SplitHostPort(load.Addrs[load.Self])
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	options := &server.Options{
		ServerName: fmt.Sprintf("m%d", load.Self), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
		JetStream: true, StoreDir: p.folder, JetStreamMaxMemory: 4 << 30, JetStreamMaxStore: 1 << 30,
		StreamMaxBufferedMsgs: 1 << 20, StreamMaxBufferedSize: 1 << 30,
		Cluster: server.ClusterOpts{Name: "bench", Host: host, Port: port},
	}
	for i, addr := range load.Addrs {
		if i != load.Self {
			options.Routes = append(options.Routes, &url.URL{Scheme: "nats", Host: addr})
		}
	}
	if p.server, err = server.NewServer(options); err != nil {
		return fmt.Errorf("nats: %w", err)
	}
	p.server.Start()
	return nil
}

// createStream creates the stream at one member, and waits for it at the
// others; the cluster needs seconds to elect its leaders.
func (p *natsPart) createStream(ctx context.Context, create bool) error {
	for {
		err := p.tryStream(ctx, create)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nats: no stream: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (p *natsPart) tryStream(ctx context.Context, create bool) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if !create {
		_, err := p.js.Stream(ctx, natsSubject)
		return err
	}
	_, err := p.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: natsSubject, Subjects: []string{natsSubject}, Storage: jetstream.MemoryStorage, Replicas: natsReplicas,
		MaxBytes: natsKeptBytes, Discard: jetstream.DiscardOld,
	})
	return err
}

// follow delivers the stream from its start.
func (p *natsPart) follow(ctx context.Context, w *writer) error {
	consumer, err := p.js.OrderedConsumer(ctx, natsSubject, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return fmt.Errorf("nats: consumer: %w", err)
	}
	pull := []jetstream.PullConsumeOpt{jetstream.PullMaxMessages(natsPullCount)}
	if w.tuning.entries > 1 {
		pull = []jetstream.PullConsumeOpt{jetstream.PullMaxBytes(natsPullBytes)}
	}
	p.reading, err = consumer.Consume(func(message jetstream.Msg) { w.deliver(message.Data()) }, pull...)
	if err != nil {
		return fmt.Errorf("nats: consume: %w", err)
	}
	return nil
}

// Publish hands the messages to the server; it does not wait for their
// acknowledgements one by one.
func (p *natsPart) Publish(_ context.Context, messages [][]byte) error {
	for _, message := range messages {
		if _, err := p.js.PublishMsgAsync(&nats.Msg{Subject: natsSubject, Data: message}); err != nil {
			return fmt.Errorf("nats: publish: %w", err)
		}
	}
	return nil
}

// Close stops the server.
func (p *natsPart) Close() error {
	if p.reading != nil {
		p.reading.Stop()
		<-p.reading.Closed()
	}
	if p.conn != nil {
		p.conn.Close()
	}
	if p.server != nil {
		p.server.Shutdown()
		p.server.WaitForShutdown()
	}
	return os.RemoveAll(p.folder)
}
