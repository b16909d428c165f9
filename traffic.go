package chatterbox

import "chatterbox/transport"

// Traffic gives what went to and came from each peer since the start, in the
// order of the list. It may be called by any goroutine.
func (n *Node) Traffic() []transport.PeerStats { return n.transport.Stats() }
