package delta

import (
	"cmp"
	"time"

	"chatterbox/internal/core/protocol"
)

// Config is all that a Delta is made from.
type Config = protocol.Config

// TrimNoticeByDefault is the default of Config.TrimNoticeBytes.
const TrimNoticeByDefault = 8 << 20

func withDefaults(c Config) Config {
	c = c.WithDefaults()
	c.KeepAlive = cmp.Or(c.KeepAlive, keepAliveOf(c.Members))
	c.WindowBytesMax = cmp.Or(c.WindowBytesMax, 4<<20)
	c.AheadBytesMax = cmp.Or(c.AheadBytesMax, c.WindowBytesMax)
	c.TrimNoticeBytes = min(cmp.Or(c.TrimNoticeBytes, TrimNoticeByDefault), c.MemoryBytesMax/8)
	return c
}

// keepAliveOf returns how often a silent member makes itself heard by default.
func keepAliveOf(members int) time.Duration {
	return max(100*time.Millisecond, time.Duration(members)*5*time.Millisecond)
}

// share returns the bytes of own batches that may be untrimmed without a journal.
func (d *Delta) share() int { return d.cfg.MemoryBytesMax / d.roster.Len() }
