//go:build linux

package netns_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/netns"
	"chatterbox/test/program"
)

// few is some members on hosts of their own, which know each other by address
// or by name.
type few struct {
	net   *netns.Net
	peers string // path of the peers file
	list  member.List
}

// newFew makes a net and a peers file; there may be more hosts than members.
func newFew(t *testing.T, members, hosts int, named bool) *few {
	t.Helper()
	c := &few{peers: filepath.Join(t.TempDir(), "peers.json")}
	var err error
	if c.net, err = netns.New(t.Context(), hosts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.net.Close(); err != nil {
			t.Error(err)
		}
	})
	for i, name := range trees()[:members] {
		host := c.net.Host(i).Address
		if named {
			host = name
		}
		c.list = append(c.list, member.Member{Name: name, Host: host, Port: port})
	}
	text, err := json.Marshal(c.list)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.peers, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// start starts a member on a host.
func (c *few) start(ctx context.Context, t *testing.T, host, place int, binary string, arguments ...string) *netns.Process {
	t.Helper()
	all := []string{"node", "--insecure", "--host", c.list[place].Host, "--port", strconv.Itoa(port), "--peer-config-file", c.peers}
	process, err := c.net.Host(host).Start(ctx, binary, append(all, arguments...)...)
	if err != nil {
		t.Fatal(err)
	}
	return process
}

// run runs all members, each with arguments of its own, to their ends.
func (c *few) run(t *testing.T, binary string, arguments ...[]string) []netns.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stuckAfter)
	defer cancel()
	var processes []*netns.Process
	for i := range c.list {
		processes = append(processes, c.start(ctx, t, i, i, binary, arguments[i]...))
	}
	return wait(ctx, t, processes)
}

func wait(ctx context.Context, t *testing.T, processes []*netns.Process) []netns.Result {
	t.Helper()
	results := make([]netns.Result, len(processes))
	for i, process := range processes {
		var err error
		if results[i], err = process.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return results
}

// agree demands the same tuple of all, and status 0.
func agree(t *testing.T, results []netns.Result) {
	t.Helper()
	for i, result := range results {
		tuple, err := program.ReadTuple(result.Stdout)
		if err != nil || result.Status != 0 || result.Stdout != results[0].Stdout || tuple.Count < 1000 {
			t.Errorf("%s: status %d, %q, want %q; stderr:\n%s", trees()[i], result.Status, result.Stdout, results[0].Stdout, result.Stderr)
		}
	}
}

// TestMembersReachEachOther runs members that are hard to reach, side by side.
func TestMembersReachEachOther(t *testing.T) {
	path := binary(t)
	for name, test := range map[string]func(*testing.T, string){
		"members of whom one can dial agree":           membersOfWhomOneCanDialAgree,
		"member that listens everywhere is reached":    memberThatListensEverywhereIsReached,
		"reason of an absent member is said":           reasonOfAnAbsentMemberIsSaid,
		"second process of a member is named":          secondProcessOfAMemberIsNamed,
		"name with a silent first address is reached":  nameWithASilentFirstAddressIsReached,
		"loopback is judged by what a name stands for": loopbackIsJudgedByWhatANameStandsFor,
		"slow resolver is waited for":                  slowResolverIsWaitedFor,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, path)
		})
	}
}

// brief returns the phases of runs that need no more than to meet and agree.
func brief(more ...string) []string {
	return append([]string{"--send-for=1500ms", "--wait-for=3"}, more...)
}

// One dial is enough: a firewall at the first member drops all that the second
// one dials, with either protocol and at full speed.
func membersOfWhomOneCanDialAgree(t *testing.T, path string) {
	for name, flags := range map[string][]string{
		"delta":    brief(),
		"lockstep": brief("--protocol=lockstep", "--rate=1000"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newFew(t, 2, 2, false)
			if err := c.net.Wall(t.Context(), 0, 1); err != nil {
				t.Fatal(err)
			}
			agree(t, c.run(t, path, flags, flags))
			if dropped, err := c.net.Dropped(t.Context()); err != nil || dropped == 0 {
				t.Errorf("the firewall dropped %d packets, %v", dropped, err)
			}
		})
	}
}

// A member that listens on all addresses is reached at the one in the list.
func memberThatListensEverywhereIsReached(t *testing.T, path string) {
	agree(t, newFew(t, 2, 2, false).run(t, path, brief("--rate=10000", "--listen=0.0.0.0"), brief("--rate=10000", "--listen=:3000")))
}

// What keeps a member away is said at the end, in the words of the failure.
func reasonOfAnAbsentMemberIsSaid(t *testing.T, path string) {
	short := []string{"--send-for=500ms", "--wait-for=1500ms", "--rate=1000"}
	for want, arguments := range map[string][]string{
		"birch: was never heard of; nobody listens at the address":                                                               {"--help"},
		"birch: was never heard of; the link is refused: the protocols differ, who dialed has \"delta\", the other \"lockstep\"": append([]string{"--protocol=lockstep"}, short...),
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			results := newFew(t, 2, 2, false).run(t, path, short, arguments)
			if results[0].Status != 2 || !strings.Contains(results[0].Stderr, want) {
				t.Errorf("status %d, stderr does not say %q:\n%s", results[0].Status, want, results[0].Stderr)
			}
		})
	}
	t.Run("no answer", func(t *testing.T) {
		t.Parallel()
		c := newFew(t, 2, 2, false)
		if err := c.net.Impose(t.Context(), func(int, int) int { return 100 }); err != nil {
			t.Fatal(err)
		}
		for i, result := range c.run(t, path, short, short) {
			want := trees()[1-i] + ": was never heard of; the address does not answer"
			if result.Status != 2 || !strings.Contains(result.Stderr, want) {
				t.Errorf("status %d, stderr does not say %q:\n%s", result.Status, want, result.Stderr)
			}
		}
	})
}

// A second process of a member, without data and at another address, starts
// while the first one runs: it is refused by name, and disturbs nobody.
func secondProcessOfAMemberIsNamed(t *testing.T, path string) {
	c := newFew(t, 3, 4, false)
	ctx, cancel := context.WithTimeout(t.Context(), stuckAfter)
	defer cancel()
	var processes []*netns.Process
	for i := range c.list {
		processes = append(processes, c.start(ctx, t, i, i, path, brief("--rate=1000")...))
	}
	<-time.After(700 * time.Millisecond)
	second := c.start(ctx, t, 3, 0, path, append(brief("--rate=1000"), "--listen", c.net.Host(3).Address)...)
	results := wait(ctx, t, append(processes, second))
	agree(t, results[:3])
	for i, want := range map[int]string{
		1: "member alder runs already, as a process that dials from 10.77.0.1:",
		2: "refused a connection",
		3: "birch: was never heard of; the link is refused: member alder runs already",
	} {
		if !strings.Contains(results[i].Stderr, want) {
			t.Errorf("process %d does not say %q:\n%s", i, want, results[i].Stderr)
		}
	}
	if results[3].Status != 2 {
		t.Errorf("the second process ends with status %d", results[3].Status)
	}
}
