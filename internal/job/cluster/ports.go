package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

const (
	// Ports are drawn from below the range that systems take for outgoing
	// connections, so that a member's port is still free when it starts late
	// or again.
	portMin = 15000
	portMax = 31999
	// portTries is how many ports are tried for each member.
	portTries = 200
)

// freePorts returns distinct ports of the host that are free now. Somebody may
// take one before it is used: then the cluster is started again on others.
func freePorts(random *rand.Rand, host string, count int) ([]int, error) {
	ports := make([]int, 0, count)
	taken := map[int]bool{}
	for range portTries * count {
		port := portMin + random.IntN(portMax-portMin+1)
		if taken[port] || !isFree(host, port) {
			continue
		}
		taken[port] = true
		if ports = append(ports, port); len(ports) == count {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("cluster: found only %d of %d free ports between %d and %d on %s", len(ports), count, portMin, portMax, host)
}

func isFree(host string, port int) bool {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}
