//go:build linux

package netns_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/netns"
)

// A name whose first address is silent is reached by its second.
func nameWithASilentFirstAddressIsReached(t *testing.T, path string) {
	c := newFew(t, 2, 2, true)
	for i := range c.list {
		own, other := c.net.Host(i).Address, c.net.Host(1-i).Address
		text := fmt.Sprintf("%s %s\n10.77.0.99 %s\n%s %s\n", own, c.list[i].Host, c.list[1-i].Host, other, c.list[1-i].Host)
		if err := c.net.Host(i).Write("hosts", text); err != nil {
			t.Fatal(err)
		}
	}
	agree(t, c.run(t, path, brief("--rate=10000"), brief("--rate=10000")))
}

// What a name stands for decides whether it is loopback.
func loopbackIsJudgedByWhatANameStandsFor(t *testing.T, path string) {
	c := newFew(t, 1, 1, true)
	if err := c.net.Host(0).Write("hosts", "127.0.1.1 alder\n0.0.0.0 localhost\n"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), stuckAfter)
	defer cancel()
	start := func(more ...string) netns.Result {
		process, err := c.net.Host(0).Start(ctx, path, append([]string{"node", "--peer-config-file", c.peers, "--send-for=300ms"}, more...)...)
		if err != nil {
			t.Fatal(err)
		}
		return wait(ctx, t, []*netns.Process{process})[0]
	}
	if result := start("--host=alder"); result.Status != 0 {
		t.Errorf("a name of 127.0.1.1: status %d, %s", result.Status, result.Stderr)
	}
	result := start("--host=alder", "--listen=localhost")
	if result.Status != 3 || !strings.Contains(result.Stderr, `--listen "localhost": listen on localhost:3000, which is 0.0.0.0: anybody`) {
		t.Errorf("a name of 0.0.0.0: status %d, %s", result.Status, result.Stderr)
	}
}

// A resolver that takes its time is waited for, longer than one dial may take.
func slowResolverIsWaitedFor(t *testing.T, path string) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, takes := range []string{"300ms", "1s"} {
		t.Run(takes, func(t *testing.T) {
			t.Parallel()
			c := newFew(t, 2, 2, true)
			for i := range c.list {
				host := c.net.Host(i)
				for name, text := range map[string]string{
					"hosts": "", "nsswitch.conf": "hosts: files dns\n", "resolv.conf": "nameserver " + host.Address + "\n",
				} {
					if err := host.Write(name, text); err != nil {
						t.Fatal(err)
					}
				}
				arguments := []string{nameserver, host.Address + ":53", takes}
				for k, m := range c.list {
					arguments = append(arguments, m.Host+"="+c.net.Host(k).Address)
				}
				if _, err := host.Start(t.Context(), self, arguments...); err != nil {
					t.Fatal(err)
				}
			}
			agree(t, c.run(t, path, brief("--rate=10000", "--listen", c.net.Host(0).Address), brief("--rate=10000", "--listen", c.net.Host(1).Address)))
		})
	}
}

// nameserver is the first argument that makes this program a name server; then
// come where to listen, how long an answer takes, and NAME=ADDRESS for each name.
const nameserver = "nameserver"

// serveNames answers questions for addresses (RFC 1035) until it is killed.
func serveNames(arguments []string) error {
	takes, err := time.ParseDuration(arguments[1])
	if err != nil {
		return err
	}
	conn, err := net.ListenPacket("udp", arguments[0])
	if err != nil {
		return err
	}
	for {
		question := make([]byte, 512)
		n, from, err := conn.ReadFrom(question)
		if err != nil {
			return err
		}
		answer := answerTo(question[:n], arguments[2:])
		time.AfterFunc(takes, func() { _, _ = conn.WriteTo(answer, from) })
	}
}

// answerTo answers the question in a message, with one address or with none.
func answerTo(question []byte, names []string) []byte {
	const head, typeA = 12, 1
	labels, end := []string{}, head
	for question[end] != 0 {
		next := end + 1 + int(question[end])
		labels = append(labels, string(question[end+1:next]))
		end = next
	}
	end += 5 // the root, type and class
	answer := append([]byte{}, question[:end]...)
	copy(answer[2:], []byte{0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0}) // an authoritative answer to one question
	for _, name := range names {
		host, address, _ := strings.Cut(name, "=")
		if host == strings.Join(labels, ".") && question[end-3] == typeA {
			answer[7] = 1
			answer = append(answer, 0xc0, head, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4)
			answer = append(answer, netip.MustParseAddr(address).AsSlice()...)
		}
	}
	return answer
}

// actAsNameserver runs a name server if the arguments say so.
func actAsNameserver() {
	if len(os.Args) > 1 && os.Args[1] == nameserver {
		fmt.Fprintln(os.Stderr, serveNames(os.Args[2:]))
		os.Exit(1)
	}
}
