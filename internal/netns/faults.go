//go:build linux

package netns

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Impose sets what share of the packets from one host to another is lost, in
// percent: 0 none, 100 all of them. It replaces what was imposed before. Each
// host drops what comes in, so that a sender notices nothing but silence.
func (n *Net) Impose(ctx context.Context, lost func(from, to int) int) error {
	var group errgroup.Group
	for _, h := range n.hosts {
		from := map[string]int{}
		for _, other := range n.hosts {
			if percent := lost(other.place, h.place); other != h && percent > 0 {
				from[other.Address] = percent
			}
		}
		group.Go(func() error { return h.nft(ctx, rules(n.drops(from))) })
	}
	return group.Wait()
}

// Wall lets a host accept no connections from another one, as a firewall or an
// address translation before it does; what the host itself dials, passes. It
// replaces what was imposed on the host before.
func (n *Net) Wall(ctx context.Context, place, from int) error {
	rule := fmt.Sprintf("ip saddr %s tcp flags & (syn | ack) == syn counter name dropped drop", n.hosts[from].Address)
	return n.hosts[place].nft(ctx, rules([]string{rule}))
}

// drops returns a rule for each address of which packets are lost.
func (n *Net) drops(from map[string]int) []string {
	var lines []string
	for _, h := range n.hosts {
		switch percent := from[h.Address]; {
		case percent >= 100:
			lines = append(lines, fmt.Sprintf("ip saddr %s counter name dropped drop", h.Address))
		case percent > 0:
			lines = append(lines, fmt.Sprintf("ip saddr %s numgen random mod 100 < %d counter name dropped drop", h.Address, percent))
		}
	}
	return lines
}

// rules returns one transaction for nft that leaves a host with these rules, and
// keeps counting where it was.
func rules(lines []string) string {
	var text strings.Builder
	text.WriteString("add table ip faults\n")
	text.WriteString("add counter ip faults dropped\n")
	text.WriteString("add chain ip faults input { type filter hook input priority 0; policy accept; }\n")
	text.WriteString("flush chain ip faults input\n")
	for _, line := range lines {
		text.WriteString("add rule ip faults input " + line + "\n")
	}
	return text.String()
}

// nft gives a host its rules, unless it has them: the program may wait for seconds while
// other namespaces are made and removed.
func (h *Host) nft(ctx context.Context, text string) error {
	if h.imposed == text {
		return nil
	}
	err := run(ctx, text, "ip", "netns", "exec", h.namespace, "nft", "-f", "-")
	if err == nil {
		h.imposed = text
	}
	return err
}

// Dropped counts the packets that were dropped on all hosts since New. A test
// that breaks links should find it above 0, or nothing was broken.
func (n *Net) Dropped(ctx context.Context) (uint64, error) {
	total := uint64(0)
	packets := regexp.MustCompile(`packets (\d+)`)
	for _, h := range n.hosts {
		text, err := exec.CommandContext(ctx, "ip", "netns", "exec", h.namespace, "nft", "list", "counter", "ip", "faults", "dropped").Output()
		if err != nil {
			return 0, fmt.Errorf("netns: read counter: %w", err)
		}
		match := packets.FindSubmatch(text)
		if match == nil {
			return 0, fmt.Errorf("netns: no counter in %q", text)
		}
		count, err := strconv.ParseUint(string(match[1]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("netns: read counter: %w", err)
		}
		total += count
	}
	return total, nil
}

const (
	bucketBytes   = 32 << 10 // what a limited host may send at once
	bucketLatency = "200ms"  // how long a packet waits at most before it is lost
)

// Limit lets a host send, and receive, at most so many bytes a second; 0 ends
// the limit.
func (n *Net) Limit(ctx context.Context, place int, bytesPerSecond int64) error {
	h := n.hosts[place]
	for namespace, name := range map[string]string{h.namespace: device, n.hub: h.port()} {
		if err := limit(ctx, namespace, name, bytesPerSecond); err != nil {
			return err
		}
	}
	return nil
}

func limit(ctx context.Context, namespace, name string, bytesPerSecond int64) error {
	if bytesPerSecond <= 0 {
		return run(ctx, "", "tc", "-n", namespace, "qdisc", "delete", "dev", name, "root")
	}
	return run(ctx, "", "tc", "-n", namespace, "qdisc", "replace", "dev", name, "root", "tbf",
		"rate", strconv.FormatInt(bytesPerSecond, 10)+"bps", "burst", strconv.Itoa(bucketBytes), "latency", bucketLatency)
}
