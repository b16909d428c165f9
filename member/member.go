// Package member says who belongs to the cluster.
//
// A [Member] is a line of the peers file; its [ID] is its place in that file,
// the same at every member. An [Identity] is random and names one life of a
// member with its data: whoever comes back without the data comes back with
// another identity. A [Binding] ties each place to the one identity that may
// write there. A [Set] is a set of places.
package member

import (
	"fmt"
	"net"
	"strconv"
)

// ID is a member's place in the list, from 0. It breaks ties in the total
// order, so all members must use the same list.
type ID uint16

// CountMax is the largest number of members of a cluster.
const CountMax = 4096

// Identity names one life of a member together with its data. It is drawn at
// random once and kept in the data folder; 0 means unknown.
type Identity uint64

// String gives the identity as 16 hexadecimal digits.
func (i Identity) String() string { return fmt.Sprintf("%016x", uint64(i)) }

// Member is one element of the peers file.
type Member struct {
	Name string `json:"name"` // for people; host:port when the file gives none
	Host string `json:"host"` // name or address to listen on and to dial
	Port int    `json:"port"` // TCP port, 1 to 65535
	Key  string `json:"key,omitempty"`
}

// Address gives host:port, fit for net.Dial.
func (m Member) Address() string { return net.JoinHostPort(m.Host, strconv.Itoa(m.Port)) }

// List holds the members of a cluster in the order of the peers file.
type List []Member
