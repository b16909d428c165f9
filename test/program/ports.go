package program

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Ports of tests are drawn from below those that systems lend to outgoing
// connections, and that `chatterbox cluster` draws for itself: nobody takes one
// by chance between two programs that a test starts on it.
const (
	portMin   = 10000
	portMax   = 14999
	portTries = 1000
)

// Ports returns TCP ports of 127.0.0.1 on which nobody listens, for the test
// alone: until its end each is kept from all other tests, also those of other
// processes, by the UDP port of the same number.
func Ports(tb testing.TB, count int) []int {
	tb.Helper()
	ports, free, err := KeepPorts(count)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(free)
	return ports
}

// KeepPorts is Ports for what is no test of its own: free gives the ports back.
func KeepPorts(count int) (ports []int, free func(), err error) {
	var kept []net.PacketConn
	free = func() {
		for _, conn := range kept {
			_ = conn.Close()
		}
	}
	for range portTries * count {
		if len(ports) == count {
			return ports, free, nil
		}
		port := portMin + rand.IntN(portMax-portMin+1)
		address := fmt.Sprintf("127.0.0.1:%d", port)
		guard, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		listener, err := net.Listen("tcp", address)
		if err != nil {
			_ = guard.Close()
			continue
		}
		_ = listener.Close()
		kept, ports = append(kept, guard), append(ports, port)
	}
	free()
	return nil, nil, fmt.Errorf("fewer than %d free ports from %d to %d", count, portMin, portMax)
}
