package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
)

// startChatterbox builds the program and serves three members of it. A client
// writes requests that were made before and reads answers with net/http.
func startChatterbox(query string) func(context.Context, *crew) (func(context.Context, int) (client, error), error) {
	return func(ctx context.Context, group *crew) (func(context.Context, int) (client, error), error) {
		build := exec.CommandContext(ctx, "go", "build", "-o", group.path("chatterbox"), "./cmd/chatterbox")
		build.Dir = "../.."
		if talk, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build: %w\n%s", err, talk)
		}
		addresses, err := freeAddresses(ctx, 2*members)
		if err != nil {
			return nil, err
		}
		peers, web := addresses[:members], addresses[members:]
		list, err := json.Marshal(peers)
		if err == nil {
			err = os.WriteFile(group.path("peers.json"), list, 0o600)
		}
		for i := 0; i < members && err == nil; i++ {
			_, port, _ := net.SplitHostPort(peers[i])
			err = group.start(ctx, group.path("chatterbox"), "serve", "--port", port, "--volatile", "--http", web[i])
		}
		return func(ctx context.Context, member int) (client, error) {
			return dialHTTP(ctx, web[member], query)
		}, err
	}
}

func dialHTTP(ctx context.Context, address, query string) (client, error) {
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	request := fmt.Appendf(nil, "POST /v1/entries%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s",
		query, address, payloadBytes, strings.Repeat("x", payloadBytes))
	in := bufio.NewReader(connection)
	return func(context.Context) error {
		if _, err := connection.Write(request); err != nil {
			return err
		}
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		defer answer.Body.Close() //nolint:errcheck // only read
		var body bytes.Buffer
		_, err = body.ReadFrom(answer.Body)
		if err == nil && answer.StatusCode != http.StatusCreated {
			err = fmt.Errorf("%s: %s", answer.Status, &body)
		}
		return err
	}, nil
}
