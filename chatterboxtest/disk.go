package chatterboxtest

import (
	"errors"
	"sync/atomic"

	"chatterbox/internal/world/journal"
)

// disk is a folder in memory that forgets in a crash what was not synced, and
// fails from then on.
type disk struct {
	journal.Memory
	down   atomic.Bool
	broken atomic.Bool // syncs fail
}

var (
	errNoPower = errors.New("the member crashed")
	errBroken  = errors.New("input/output error")
)

func newDisk() *disk {
	d := &disk{}
	d.Fail = func(operation, _ string) error {
		switch {
		case d.down.Load():
			return errNoPower
		case d.broken.Load() && operation == "sync":
			return errBroken
		}
		return nil
	}
	return d
}

func (d *disk) crash() {
	d.down.Store(true)
	d.Crash(nil)
}

func (d *disk) repair() {
	d.Crash(nil)
	d.Resize(0)
	d.broken.Store(false)
	d.down.Store(false)
}
