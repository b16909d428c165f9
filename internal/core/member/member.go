// Package member says who belongs to the cluster.
//
// A [Member] is a line of the peers file; its [ID] is its place in that file,
// the same at every member. An [Identity] names one life of a
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

// Identity names one life of a member together with its data. It is made once
// and kept in the data folder; 0 means unknown. Of two lives at one place the one
// with the higher identity began later, if the clocks there were right: that is a
// hint which of them to listen to, and decides nothing.
type Identity uint64

// randomBits is how many bits of an identity are random.
const randomBits = 22

// NewIdentity returns the identity of a life that begins so many milliseconds after
// 1970, told from others by as many random bits as there are left.
func NewIdentity(begins int64, random uint64) Identity {
	identity := Identity(max(begins, 0))<<randomBits | Identity(random&(1<<randomBits-1))
	return max(identity, 1)
}

// String returns the identity as 16 hexadecimal digits.
func (i Identity) String() string { return fmt.Sprintf("%016x", uint64(i)) }

// Member is one element of the peers file.
type Member struct {
	Name string `json:"name"` // for people; host:port when the file gives none
	Host string `json:"host"` // name or address to listen on and to dial
	Port int    `json:"port"` // TCP port, 1 to 65535
	Key  string `json:"key,omitempty"`
}

// Address returns host:port, fit for net.Dial.
func (m Member) Address() string { return net.JoinHostPort(m.Host, strconv.Itoa(m.Port)) }

// List holds the members of a cluster in the order of the peers file.
type List []Member
