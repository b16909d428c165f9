package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// startNATS starts three servers and makes one stream of three replicas in
// memory. Each client has a connection of its own and waits for each
// acknowledgement.
func startNATS(ctx context.Context, group *crew) (func(context.Context, int) (client, error), error) {
	addresses, err := freeAddresses(ctx, 2*members)
	if err != nil {
		return nil, err
	}
	routes, fronts := addresses[:members], addresses[members:]
	for i := range members {
		if err := group.self(ctx, append([]string{"nats", strconv.Itoa(i), fronts[i]}, routes...)...); err != nil {
			return nil, err
		}
	}
	payload := bytes.Repeat([]byte{'x'}, payloadBytes)
	return func(ctx context.Context, member int) (client, error) {
		connection, err := nats.Connect("nats://" + fronts[member])
		if err != nil {
			return nil, err
		}
		js, err := jetstream.New(connection)
		if err == nil {
			_, err = js.CreateStream(ctx, jetstream.StreamConfig{
				Name: "s", Subjects: []string{"s"}, Storage: jetstream.MemoryStorage, Replicas: members,
				MaxBytes: 512 << 20, Discard: jetstream.DiscardOld,
			})
		}
		if err != nil {
			connection.Close()
			return nil, err
		}
		return func(ctx context.Context) error {
			_, err := js.Publish(ctx, "s", payload)
			return err
		}, nil
	}, nil
}

// memberNATS is one server: its place, the address of clients, and those of all
// members among one another.
func memberNATS(ctx context.Context, arguments []string) error {
	if len(arguments) != 2+members {
		return fmt.Errorf("nats: %d arguments", len(arguments))
	}
	place, err := strconv.Atoi(arguments[0])
	if err != nil {
		return err
	}
	options := &server.Options{
		ServerName: "m" + arguments[0], NoLog: true, NoSigs: true, JetStream: true, StoreDir: "nats-" + arguments[0],
		JetStreamMaxMemory: 4 << 30, JetStreamMaxStore: 1 << 30, Cluster: server.ClusterOpts{Name: "bench"},
	}
	if options.Host, options.Port, err = hostPort(arguments[1]); err != nil {
		return err
	}
	for i, route := range arguments[2:] {
		if i == place {
			options.Cluster.Host, options.Cluster.Port, err = hostPort(route)
			if err != nil {
				return err
			}
			continue
		}
		options.Routes = append(options.Routes, &url.URL{Scheme: "nats", Host: route})
	}
	s, err := server.NewServer(options)
	if err != nil {
		return err
	}
	s.Start()
	<-ctx.Done()
	s.Shutdown()
	return nil
}

func hostPort(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(text)
	return host, port, err
}
