package program_test

import (
	"net"
	"slices"
	"strconv"
	"testing"

	"chatterbox/test/program"
)

// TestPortsAreForOneTestOnly draws so many that chance would give some twice.
func TestPortsAreForOneTestOnly(t *testing.T) {
	var all []int
	for range 20 {
		all = append(all, program.Ports(t, 20)...)
	}
	slices.Sort(all)
	if len(slices.Compact(all)) != 400 {
		t.Error("a port was given twice")
	}
	ports, free, err := program.KeepPorts(1)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0])))
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	free()
}
