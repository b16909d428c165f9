package transport

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"chatterbox/internal/core/member"
)

const (
	// nameAgeMax is how old an answer of the resolver may be before it is asked
	// again. Meanwhile the old answer is used: a slow resolver holds nobody up.
	nameAgeMax = 2 * time.Second
	// lookupsMax is how many names are looked up at a time; further ones wait.
	lookupsMax = 16
)

// names knows the addresses of host names. Links share it, so that a name is
// looked up once however many members have it.
type names struct {
	t     *Transport
	slots chan struct{} // has an element for each lookup under way

	mu    sync.Mutex // guards known and all in it
	known map[string]*name
}

// name is what is known of a host name.
type name struct {
	addresses []netip.Addr  // of the last lookup that succeeded
	err       error         // of the last lookup
	asked     bool          // there was one
	at        time.Duration // when it ended
	under     chan struct{} // closed when the one under way has ended; nil: none is
}

func newNames(t *Transport) *names {
	return &names{t: t, slots: make(chan struct{}, lookupsMax), known: make(map[string]*name)}
}

// targets returns where a member can be dialed: host:port for each address of
// its host. It waits for the resolver, until ctx ends, only if no answer is
// known at all.
func (n *names) targets(ctx context.Context, m member.Member) ([]string, error) {
	if _, err := netip.ParseAddr(m.Host); err == nil || n.t.config.Lookup == nil {
		return []string{m.Address()}, nil
	}
	addresses, err := n.find(ctx, m.Host)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", m.Host, err)
	}
	targets := make([]string, len(addresses))
	for i, address := range addresses {
		targets[i] = net.JoinHostPort(address.Unmap().String(), strconv.Itoa(m.Port))
	}
	return targets, nil
}

// find returns the addresses of a host name.
func (n *names) find(ctx context.Context, host string) ([]netip.Addr, error) {
	for {
		addresses, err, under := n.ask(host)
		if under == nil {
			return addresses, err
		}
		select {
		case <-under:
		case <-ctx.Done():
			return nil, &net.DNSError{Err: context.Cause(ctx).Error(), Name: host, IsTimeout: true}
		}
	}
}

// ask returns the answer that is known, or what is closed when the first one
// comes. It begins a lookup if that is due.
func (n *names) ask(host string) (addresses []netip.Addr, err error, under <-chan struct{}) { //nolint:revive,staticcheck // an answer, and then what to wait for
	n.mu.Lock()
	defer n.mu.Unlock()
	known := n.known[host]
	if known == nil {
		known = &name{}
		n.known[host] = known
	}
	if known.under == nil && (!known.asked || n.t.now()-known.at >= nameAgeMax) {
		known.under = make(chan struct{})
		n.t.group.Go(func() { n.lookUp(host, known) })
	}
	switch {
	case len(known.addresses) > 0:
		return known.addresses, nil, nil
	case known.asked:
		return nil, known.err, nil
	default:
		return nil, nil, known.under
	}
}

// lookUp asks the resolver, and remembers the last answer that was one.
func (n *names) lookUp(host string, known *name) {
	addresses, err := n.resolve(host)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil && len(addresses) == 0 {
		err = &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	if err == nil {
		known.addresses = addresses
	}
	known.err, known.asked, known.at = err, true, n.t.now()
	close(known.under)
	known.under = nil
}

func (n *names) resolve(host string) ([]netip.Addr, error) {
	select {
	case n.slots <- struct{}{}:
		defer func() { <-n.slots }()
	case <-n.t.running.Done():
		return nil, context.Cause(n.t.running)
	}
	ctx, cancel := context.WithTimeout(n.t.running, n.t.config.LookupTimeout)
	defer cancel()
	return n.t.config.Lookup(ctx, host)
}
