package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
)

// backup is a copy of a member's data that is to be made.
type backup struct {
	at     time.Duration
	member member.ID
	crash  time.Duration // when it is brought back
}

// backupsOf lists the copies that the events of a map need, in their order.
func backupsOf(events []failure.MemberEvent) (backups []backup) {
	for _, event := range events {
		if event.Action == failure.CrashRestoring {
			backups = append(backups, backup{max(event.At-event.Age, 0), event.Member, event.At})
		}
	}
	return backups
}

// keepCopies makes the copies whose time has come.
func (c *crew) keepCopies() error {
	kept := c.backups[:0]
	for _, b := range c.backups {
		if b.at > c.since() {
			kept = append(kept, b)
			continue
		}
		if err := c.keepCopy(b); err != nil {
			return err
		}
	}
	c.backups = kept
	return nil
}

// nextCopy returns when the next copy is to be made.
func (c *crew) nextCopy() time.Duration {
	next := never
	for _, b := range c.backups {
		next = min(next, b.at)
	}
	return next
}

func (c *crew) copyDir(id member.ID, crash time.Duration) string {
	return filepath.Join(c.config.Folder, fmt.Sprintf("%s-before-%v", c.peers[id].Name, crash))
}

// keepCopy copies a member's data while it goes on, as a backup does. What it
// has not made by then is not there later.
func (c *crew) keepCopy(b backup) error {
	if c.config.DataDir == "" {
		return nil
	}
	to := c.copyDir(b.member, b.crash)
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("cluster: keep a copy of the data of %s: %w", c.peers[b.member].Name, err)
	}
	entries, err := os.ReadDir(c.dataDir(b.member))
	if os.IsNotExist(err) {
		return nil // it has no data yet
	}
	slices.Reverse(entries) // the anchor, which says how far segments were synced, before the segments, which grow
	for _, entry := range entries {
		var data []byte
		if err == nil {
			data, err = os.ReadFile(filepath.Join(c.dataDir(b.member), entry.Name()))
		}
		if os.IsNotExist(err) {
			err = nil // it was removed just now
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, entry.Name()), data, 0o600)
		}
	}
	if err != nil {
		return fmt.Errorf("cluster: keep a copy of the data of %s: %w", c.peers[b.member].Name, err)
	}
	return nil
}

// crashRestoring kills a member's process, and leaves it an older copy of its
// data.
func (c *crew) crashRestoring(event failure.MemberEvent) error {
	if c.config.DataDir == "" {
		return c.crash(event.Member, check.DataLost)
	}
	if err := c.crash(event.Member, check.DataOlder); err != nil {
		return err
	}
	data, older := c.dataDir(event.Member), c.copyDir(event.Member, event.At)
	err := os.RemoveAll(data)
	if err == nil {
		err = os.Rename(older, data)
	}
	if err != nil {
		return fmt.Errorf("cluster: bring back an older copy of the data of %s: %w", c.peers[event.Member].Name, err)
	}
	return nil
}

// tellCrash tells the trace that a member stopped at once, and what became of
// its data.
func (c *crew) tellCrash(id member.ID, note string) {
	if c.config.DataDir == "" {
		note = check.DataLost
	}
	c.tell(trace.Event{Kind: trace.Crash, Member: id, Note: note})
}
