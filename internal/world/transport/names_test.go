package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"chatterbox/internal/core/member"
)

// resolver answers for host names, after a while.
type resolver struct {
	takes   time.Duration
	asked   atomic.Int64
	answers func(host string) ([]netip.Addr, error)
}

func (r *resolver) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	r.asked.Add(1)
	select {
	case <-time.After(r.takes):
		return r.answers(host)
	case <-ctx.Done():
		return nil, &net.DNSError{Err: "timeout", Name: host, IsTimeout: true}
	}
}

// always answers with the same addresses for all names.
func always(texts ...string) func(string) ([]netip.Addr, error) {
	return func(string) ([]netip.Addr, error) {
		var addresses []netip.Addr
		for _, text := range texts {
			addresses = append(addresses, netip.MustParseAddr(text))
		}
		return addresses, nil
	}
}

// startNamed starts member 1 at an address of its own and member 0 with a
// resolver, which only it needs: member 1 is blocked from dialing.
func (w *world) startNamed(at string, r *resolver) {
	w.Helper()
	w.network.Block(w.address(1), w.address(0))
	w.start(1, func(c *Config) {
		listener, err := w.network.Listen(at)
		if err != nil {
			w.Fatal(err)
		}
		c.Listener = listener
	})
	w.start(0, func(c *Config) { c.Lookup = r.lookUp })
}

func TestSlowResolverIsWaitedFor(t *testing.T) {
	for _, takes := range []time.Duration{300 * time.Millisecond, 3 * time.Second, 9 * time.Second} {
		inWorld(t, 2, func(w *world) {
			r := &resolver{takes: takes, answers: always("10.0.0.1")}
			w.startNamed("10.0.0.1:1", r)
			w.rest(takes - 10*time.Millisecond)
			if w.nodes[0].isUp(1) {
				w.Fatal("up before the name is known")
			}
			w.rest(20 * time.Millisecond)
			if !w.nodes[0].isUp(1) || r.asked.Load() != 1 {
				w.Fatalf("up %v, asked %d times:\n%s", w.nodes[0].isUp(1), r.asked.Load(), w.log)
			}
			// What is known is used at once, while it is looked up again.
			w.rest(time.Minute)
			for range 3 {
				w.network.Cut(w.address(0), "10.0.0.1:1")
				w.rest(5 * time.Second)
				w.network.Heal(w.address(0), "10.0.0.1:1")
				w.rest(500 * time.Millisecond)
				if !w.nodes[0].isUp(1) {
					w.Fatalf("not up 500 ms after a heal, with a resolver that takes %v:\n%s", takes, w.log)
				}
			}
		})
	}
}

// TestEveryAddressOfANameIsTried puts addresses before the right one that are
// silent, refuse, or are somebody else's.
func TestEveryAddressOfANameIsTried(t *testing.T) {
	for name, addresses := range map[string][]string{
		"the first is silent":               {"10.0.0.9", "10.0.0.1"},
		"the first refuses":                 {"10.0.0.8", "10.0.0.1"},
		"the first never answers a hello":   {"10.0.0.7", "10.0.0.1"},
		"the first two never answer":        {"10.0.0.7", "10.0.0.6", "10.0.0.1"},
		"silent, refusing, mute, the right": {"10.0.0.9", "10.0.0.8", "10.0.0.7", "10.0.0.1"},
		"the last is silent":                {"10.0.0.1", "10.0.0.9"},
		"an address as IPv6 has it":         {"::ffff:10.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 2, func(w *world) {
				w.network.Block(w.address(0), "10.0.0.9:1")
				for _, mute := range []string{"10.0.0.7:1", "10.0.0.6:1"} {
					if _, err := w.network.Listen(mute); err != nil {
						w.Fatal(err)
					}
				}
				w.startNamed("10.0.0.1:1", &resolver{answers: always(addresses...)})
				w.rest(3 * time.Second)
				if !w.nodes[0].isUp(1) || w.nodes[0].history() != "[1 up]" {
					w.Fatalf("not up:\n%s", w.log)
				}
			})
		})
	}
}

func TestNameThatMovesIsFollowed(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		var moved atomic.Bool
		w.startNamed("10.0.0.2:1", &resolver{answers: func(string) ([]netip.Addr, error) {
			if moved.Load() {
				return always("10.0.0.2")("")
			}
			return always("10.0.0.1")("")
		}})
		w.rest(10 * time.Second)
		if w.nodes[0].isUp(1) {
			w.Fatal("up at the wrong address")
		}
		moved.Store(true)
		w.rest(3 * time.Second)
		if !w.nodes[0].isUp(1) {
			w.Fatalf("not up at the new address:\n%s", w.log)
		}
	})
}

// TestManyMembersOfOneHostAreLookedUpOnce has a hundred members at a host, with
// nobody there.
func TestManyMembersOfOneHostAreLookedUpOnce(t *testing.T) {
	inWorld(t, 100, func(w *world) {
		for i := range w.list {
			w.list[i].Host, w.list[i].Port = "farm", i+1
		}
		r := &resolver{takes: 100 * time.Millisecond, answers: always("10.0.0.1")}
		w.start(0, func(c *Config) { c.Lookup = r.lookUp })
		w.rest(20 * time.Second)
		if asked := r.asked.Load(); asked < 5 || asked > 11 {
			w.Fatalf("asked %d times in 20 s", asked)
		}
	})
}

// TestStatusSaysWhyThereIsNoLink fails in all ways that have words of their own.
func TestStatusSaysWhyThereIsNoLink(t *testing.T) {
	failing := func(err error) func(*world, *Config) {
		return func(_ *world, c *Config) {
			c.Dial = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
			}
		}
	}
	resolving := func(takes time.Duration, err error) func(*world, *Config) {
		return func(_ *world, c *Config) {
			r := &resolver{takes: takes, answers: func(string) ([]netip.Addr, error) { return nil, err }}
			c.Lookup, c.LookupTimeout = r.lookUp, 2*time.Second
		}
	}
	for want, change := range map[string]func(*world, *Config){
		"nobody listens at the address": func(*world, *Config) {},
		"the address does not answer":   func(w *world, _ *Config) { w.block() },
		"the host name is not known":    resolving(0, &net.DNSError{Err: "no such host", IsNotFound: true}),
		"the host name was not looked up in time: the name server does not answer": resolving(time.Hour, nil),
		"the host name cannot be looked up: server misbehaving":                    resolving(0, &net.DNSError{Err: "server misbehaving"}),
		"this member has no file descriptor left to dial with":                     failing(syscall.EMFILE),
		"there is no route to the address":                                         failing(syscall.EHOSTUNREACH),
		"this machine has no local port left":                                      failing(syscall.EADDRNOTAVAIL),
		"the address cannot be dialed: broken":                                     failing(fmt.Errorf("at 10.0.0.1: %w", errors.New("broken"))),
		"the address accepts connections, but nobody answers there": func(w *world, _ *Config) {
			if _, err := w.network.Listen(w.address(1)); err != nil {
				w.Fatal(err)
			}
		},
		"what answers at the address is no member": func(w *world, _ *Config) {
			listener, err := w.network.Listen(w.address(1))
			if err != nil {
				w.Fatal(err)
			}
			w.Cleanup(func() { _ = listener.Close() })
			go func() {
				for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
					_, _ = conn.Write([]byte("220 mail.example.org ESMTP\r\n"))
				}
			}()
		},
		"the link is refused: this is member c, not b": func(w *world, _ *Config) {
			w.start(2, func(c *Config) {
				listener, err := w.network.Listen(w.address(1))
				if err != nil {
					w.Fatal(err)
				}
				c.Listener = listener
			})
		},
	} {
		t.Run(want, func(t *testing.T) {
			inWorld(t, 3, func(w *world) {
				w.start(0, func(c *Config) { change(w, c) })
				w.rest(2100 * time.Millisecond)
				trouble := w.nodes[0].Stats()[0].Trouble
				if !strings.HasPrefix(trouble, want) {
					w.Fatalf("trouble %q, want %q", trouble, want)
				}
				if strings.Contains(trouble, "10.0.0") || strings.Contains(trouble, "hostb") {
					w.Fatalf("trouble %q names an address", trouble)
				}
			})
		})
	}
}

// TestTroubleOfManyIsShortInTheLog refuses a member everywhere.
func TestTroubleOfManyIsShortInTheLog(t *testing.T) {
	inWorld(t, sharedMax+3, func(w *world) {
		for i := range w.list {
			w.start(member.ID(i), func(c *Config) {
				if c.Self == 0 {
					c.Protocol = "lockstep"
				}
			})
		}
		w.rest(10 * time.Second)
		for _, text := range []string{"dialing again until this is mended", "refused a connection"} {
			told := 0
			for line := range strings.Lines(w.log.String()) {
				if strings.Contains(line, "member=a ") && strings.Contains(line, text) {
					told++
				}
			}
			if told != sharedMax {
				w.Fatalf("member a tells of %q %d times:\n%s", text, told, w.log)
			}
		}
	})
}
