package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

// startEtcd starts three members. Each client has a connection of its own and
// puts values under keys of its own.
func startEtcd(ctx context.Context, group *crew) (func(context.Context, int) (client, error), error) {
	addresses, err := freeAddresses(ctx, 2*members)
	if err != nil {
		return nil, err
	}
	peers, fronts := addresses[:members], addresses[members:]
	for i := range members {
		if err := group.self(ctx, append([]string{"etcd", strconv.Itoa(i), fronts[i]}, peers...)...); err != nil {
			return nil, err
		}
	}
	value := strings.Repeat("x", payloadBytes)
	var clients atomic.Int64
	return func(_ context.Context, member int) (client, error) {
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{fronts[member]}})
		if err != nil {
			return nil, err
		}
		number, entry := clients.Add(1), 0
		return func(ctx context.Context) error {
			entry++
			_, err := c.Put(ctx, fmt.Sprintf("%d/%d", number, entry), value)
			return err
		}, nil
	}, nil
}

// memberEtcd is one member: its place, the address of clients, and those of all
// members among one another.
func memberEtcd(ctx context.Context, arguments []string) error {
	if len(arguments) != 2+members {
		return fmt.Errorf("etcd: %d arguments", len(arguments))
	}
	place, err := strconv.Atoi(arguments[0])
	if err != nil {
		return err
	}
	config := embed.NewConfig()
	config.Name, config.Dir, config.UnsafeNoFsync = "m"+arguments[0], "etcd-"+arguments[0], true
	config.LogLevel = "error"
	var initial []string
	for i, peer := range arguments[2:] {
		initial = append(initial, fmt.Sprintf("m%d=http://%s", i, peer))
	}
	config.InitialCluster = strings.Join(initial, ",")
	front, peer := url.URL{Scheme: "http", Host: arguments[1]}, url.URL{Scheme: "http", Host: arguments[2+place]}
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{front}, []url.URL{front}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	e, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	defer e.Close()
	select {
	case err := <-e.Err():
		return err
	case <-ctx.Done():
		return nil
	}
}
