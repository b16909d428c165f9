//go:build linux

// Package netns makes small networks of Linux network namespaces, for tests
// that run real processes over real links and break those links.
//
// A [Net] is a bridge with [Host]s on it, each a namespace of its own with one
// address that exists nowhere else. [Net.Impose] drops packets between hosts
// with nftables, [Net.Limit] slows a host down with a token bucket. A
// [Process] is a program that runs on a host; its [Result] says how it ended.
//
// It needs root, ip and tc (iproute2) and nft (nftables); [Available] says
// what is missing. Each process has one goroutine that waits for its end.
package netns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

const (
	hostsMax = 200 // hosts of a net: they are numbered within one /24
	device   = "eth0"
	prefix   = "chatterbox-" // of the names of all namespaces made here
)

// switchName names the environment variable that turns such tests on: they take
// long, and must not share the machine with others.
const switchName = "CHATTERBOX_PROCESSES"

// Available returns why networks cannot be made here; nil if they can.
func Available() error {
	if os.Getenv(switchName) != "all" {
		return errors.New("takes long: " + switchName + "=all runs it, as CI does")
	}
	if os.Geteuid() != 0 {
		return errors.New("needs root to make network namespaces")
	}
	for _, tool := range []string{"ip", "tc", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("needs %s: install iproute2 and nftables", tool)
		}
	}
	return nil
}

// Net is a bridge with hosts on it. Nothing of it can be reached from outside:
// the bridge has a namespace of its own, too.
type Net struct {
	hosts []*Host
	hub   string // the namespace of the bridge
}

// Host is a namespace with one address on the bridge.
type Host struct {
	Address   string // IPv4, reachable from the other hosts of the net only
	namespace string
	place     int
	imposed   string // the rules that it has
}

// New makes a net of that many hosts. Close must be called in the end.
func New(ctx context.Context, hosts int) (*Net, error) {
	if hosts < 1 || hosts > hostsMax {
		return nil, fmt.Errorf("netns: %d hosts, want 1 to %d", hosts, hostsMax)
	}
	name := fmt.Sprintf("%s%d-%08x", prefix, os.Getpid(), rand.Uint32())
	n := &Net{hub: name + "-hub"}
	for place := range hosts {
		n.hosts = append(n.hosts, &Host{
			Address:   fmt.Sprintf("10.77.0.%d", place+1),
			namespace: fmt.Sprintf("%s-%d", name, place),
			place:     place,
		})
	}
	if err := n.build(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Net) build(ctx context.Context) error {
	var lines strings.Builder
	fmt.Fprintf(&lines, "netns add %s\n", n.hub)
	for _, h := range n.hosts {
		fmt.Fprintf(&lines, "netns add %s\n", h.namespace)
	}
	if err := run(ctx, lines.String(), "ip", "-batch", "-"); err != nil {
		return err
	}
	lines.Reset()
	lines.WriteString("link add bridge type bridge\nlink set bridge up\n")
	for _, h := range n.hosts {
		fmt.Fprintf(&lines, "link add %s type veth peer name %s netns %s\n", h.port(), device, h.namespace)
		fmt.Fprintf(&lines, "link set %s master bridge up\n", h.port())
	}
	if err := run(ctx, lines.String(), "ip", "-n", n.hub, "-batch", "-"); err != nil {
		return err
	}
	for _, h := range n.hosts {
		if err := h.build(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) build(ctx context.Context) error {
	lines := fmt.Sprintf("link set lo up\naddr add %s/24 dev %s\nlink set %s up\n", h.Address, device, device)
	if err := run(ctx, lines, "ip", "-n", h.namespace, "-batch", "-"); err != nil {
		return err
	}
	return h.nft(ctx, rules(nil))
}

// etc is where ip looks for files that processes in a namespace see in /etc.
const etc = "/etc/netns/"

// Write gives processes that start on the host from now on a file of their own
// in /etc, such as hosts or resolv.conf.
func (h *Host) Write(name, text string) error {
	folder := etc + h.namespace
	err := os.MkdirAll(folder, 0o755)
	if err == nil {
		err = os.WriteFile(folder+"/"+name, []byte(text), 0o644)
	}
	if err != nil {
		return fmt.Errorf("netns: file of a host: %w", err)
	}
	return nil
}

// port is the host's device at the bridge.
func (h *Host) port() string { return fmt.Sprintf("port%d", h.place) }

// Host returns the host at a place, from 0.
func (n *Net) Host(place int) *Host { return n.hosts[place] }

// Close kills what still runs on the hosts, and removes them.
func (n *Net) Close() error {
	namespaces := []string{n.hub}
	for _, h := range n.hosts {
		namespaces = append(namespaces, h.namespace)
	}
	return remove(namespaces)
}

// Sweep removes the namespaces that test processes left behind which are no
// more: those that were killed before they could call Close.
func Sweep(ctx context.Context) error {
	listing, err := exec.CommandContext(ctx, "ip", "netns", "list").Output()
	if err != nil {
		return fmt.Errorf("netns: list namespaces: %w", err)
	}
	owned := regexp.MustCompile(`(?m)^` + prefix + `(\d+)-\S+`)
	var orphans []string
	for _, match := range owned.FindAllStringSubmatch(string(listing), -1) {
		owner, err := strconv.Atoi(match[1])
		if err == nil && errors.Is(syscall.Kill(owner, 0), syscall.ESRCH) {
			orphans = append(orphans, match[0])
		}
	}
	return remove(orphans)
}

// remove must work after the test's own context has ended, so it has none.
func remove(namespaces []string) error {
	var problems []error
	for _, namespace := range namespaces {
		if _, err := os.Stat("/run/netns/" + namespace); err != nil {
			continue // never made, or removed before
		}
		problems = append(problems, killAll(namespace),
			run(context.Background(), "", "ip", "netns", "delete", namespace),
			os.RemoveAll(etc+namespace))
	}
	return errors.Join(problems...)
}

func killAll(namespace string) error {
	listing, err := exec.CommandContext(context.Background(), "ip", "netns", "pids", namespace).Output()
	if err != nil {
		return fmt.Errorf("netns: list processes of %s: %w", namespace, err)
	}
	for _, field := range strings.Fields(string(listing)) {
		if pid, err := strconv.Atoi(field); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended meanwhile
		}
	}
	return nil
}

// run runs a program with an input, and turns its talk into an error.
func run(ctx context.Context, input, program string, arguments ...string) error {
	command := exec.CommandContext(ctx, program, arguments...)
	command.Stdin = strings.NewReader(input)
	var talk bytes.Buffer
	command.Stdout, command.Stderr = &talk, &talk
	if err := command.Run(); err != nil {
		return fmt.Errorf("netns: %s %s: %w: %s", program, strings.Join(arguments, " "), err, bytes.TrimSpace(talk.Bytes()))
	}
	return nil
}
