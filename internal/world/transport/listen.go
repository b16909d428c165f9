package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"chatterbox/internal/world/gate"
)

const (
	// PortInUse is in the text of the error when somebody has the port.
	PortInUse = "the port is in use"
	// listenFor is how long a port that is in use is tried again: a member that
	// is being replaced, or an outgoing connection, may give it up.
	listenFor = time.Second
	// listenEvery is how often it is tried meanwhile.
	listenEvery = 50 * time.Millisecond
	// probeFor is how long it is looked whether somebody listens there.
	probeFor = 200 * time.Millisecond
	// portRange is where Linux says which ports it lends to outgoing connections.
	portRange = "/proc/sys/net/ipv4/ip_local_port_range"
)

// ErrOpen is in the chain of the error of Listen when others than this machine
// could reach the address.
var ErrOpen = errors.New("anybody who reaches this address could take part, for members have no keys")

// ListenConfig says where to listen.
type ListenConfig struct {
	Host string // name or IP address; empty is every address of this machine
	Port int
	// Open allows addresses that are not loopback.
	Open bool
	// Lookup is as in Config; default: that of net.DefaultResolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
}

// Listen listens for peers. What counts is the address that is bound, not how
// it is written: a name is looked up first. A port in use is tried for a
// second more.
func Listen(ctx context.Context, cfg ListenConfig) (net.Listener, error) {
	address, err := cfg.address(ctx)
	if err != nil {
		return nil, err
	}
	if !cfg.Open && !address.Addr().IsLoopback() {
		return nil, fmt.Errorf("listen on %s: %w", cfg.told(address), ErrOpen)
	}
	for began := time.Now(); ; {
		listener, err := gate.ListenTCP(ctx, address.String())
		switch {
		case err == nil:
			return listener, nil
		case !errors.Is(err, syscall.EADDRINUSE):
			return nil, fmt.Errorf("listen on %s: %w; is it an address of this machine?", cfg.told(address), innermost(err))
		case time.Since(began) >= listenFor:
			return nil, fmt.Errorf("%s: %s%s", cfg.told(address), PortInUse, holder(ctx, address))
		}
		select {
		case <-time.After(listenEvery):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// address finds the address to bind; of a name it is the first one of IPv4, or
// else the first, as net.Listen has it.
func (c *ListenConfig) address(ctx context.Context) (netip.AddrPort, error) {
	if c.Host == "" {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(c.Port)), nil
	}
	if address, err := netip.ParseAddr(c.Host); err == nil {
		return netip.AddrPortFrom(address.Unmap(), uint16(c.Port)), nil
	}
	lookUp := c.Lookup
	if lookUp == nil {
		lookUp = LookUp
	}
	addresses, err := lookUp(ctx, c.Host)
	if err != nil || len(addresses) == 0 {
		return netip.AddrPort{}, fmt.Errorf("listen on %s: the name is not known here: %w", c.Host, err)
	}
	found := addresses[0].Unmap()
	for _, address := range addresses {
		if address.Unmap().Is4() {
			found = address.Unmap()
			break
		}
	}
	return netip.AddrPortFrom(found, uint16(c.Port)), nil
}

// told returns the address for an error, with the name that it was found by.
func (c *ListenConfig) told(address netip.AddrPort) string {
	if _, err := netip.ParseAddr(c.Host); err == nil || c.Host == "" {
		return address.String()
	}
	return fmt.Sprintf("%s, which is %s", net.JoinHostPort(c.Host, strconv.Itoa(c.Port)), address.Addr())
}

// LookUp returns the addresses of a host name, as the system finds them.
func LookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// holder returns who has a port, and what to do.
func holder(ctx context.Context, address netip.AddrPort) string {
	const choose = "choose another port here and in the peers file"
	probe, cancel := context.WithTimeout(ctx, probeFor)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(probe, "tcp", address.String())
	if err == nil {
		_ = conn.Close()
		return "; end the program that listens there, or " + choose
	}
	low, high, ok := lentPorts()
	if ok && int(address.Port()) >= low && int(address.Port()) <= high {
		return fmt.Sprintf(", though nobody listens there: an outgoing connection has it, for the system lends these the ports %d to %d; "+
			"wait until it ends, or choose a port outside of them here and in the peers file", low, high)
	}
	return ", though nobody listens there: a connection has it; wait until it ends, or " + choose
}

// lentPorts returns the range of ports that the system lends to outgoing
// connections, where it says so.
func lentPorts() (low, high int, ok bool) {
	text, err := os.ReadFile(portRange)
	fields := strings.Fields(string(text))
	if err != nil || len(fields) != 2 {
		return 0, 0, false
	}
	low, lowErr := strconv.Atoi(fields[0])
	high, highErr := strconv.Atoi(fields[1])
	return low, high, lowErr == nil && highErr == nil
}
