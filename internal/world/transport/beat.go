package transport

import (
	"net"
	"time"

	"chatterbox/internal/world/wire"
)

// rivalry is another process than the one that is heard, in a peer's name.
type rivalry struct {
	does string        // what it does and where, for people
	at   time.Duration // when it was met last
}

// rivalFor is how long after it was met last a peer is told of another process
// in its name. One that is refused comes again and again.
const rivalFor = 2 * time.Second

// meet notes that another process in the peer's name was met.
func (l *link) meet(does string, conn net.Conn) {
	l.rivalry.Store(&rivalry{does + " " + conn.RemoteAddr().String(), l.t.now()})
}

// appendBeat appends the frame of a beat to the peer.
func (l *link) appendBeat(dst []byte) []byte {
	beat := wire.Beat{Meta: l.t.meta()}
	if other := l.rivalry.Load(); other != nil && l.t.now()-other.at < rivalFor {
		beat.Rival = other.does
	}
	return wire.AppendBeat(dst, &beat)
}

// onBeat takes what a beat of the peer tells. Of another process in this
// member's name the log is told once in a while, whoever met it.
func (l *link) onBeat(beat *wire.Beat) {
	l.t.onMeta(l.to, beat.Meta)
	if beat.Rival != "" && l.t.notices.due("rival", l.t.config.Listener.Addr(), l.t.now()) {
		l.log.Warn("the peer refuses another process that calls itself as this member does: stop one of them", "process", beat.Rival)
	}
}
