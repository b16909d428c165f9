package chatterboxtest

import (
	"context"
	"time"

	"chatterbox"
	"chatterbox/internal/proof/trace"
)

// Pause stops a member: it hears and says nothing until Resume.
func (c *Cluster) Pause(name string) {
	c.t.Helper()
	i := c.place(name)
	if c.network == nil {
		c.t.Fatalf("chatterboxtest: member %s cannot be paused: that needs the network in memory", name)
	}
	c.network.Pause(c.members[i].Address)
	c.note(trace.Pause, i, "")
}

// Resume lets a paused member go on.
func (c *Cluster) Resume(name string) {
	c.t.Helper()
	i := c.place(name)
	c.resume(i)
	c.note(trace.Resume, i, "")
}

func (c *Cluster) resume(i int) {
	if c.network != nil {
		c.network.Resume(c.members[i].Address)
	}
}

// Crash ends a member at once. What it had made durable stays in its folder;
// without one it loses everything.
func (c *Cluster) Crash(name string) {
	c.t.Helper()
	c.crash(c.place(name), trace.DataKept)
}

// Stop ends a member in good order, by Close, as before an upgrade; Restart starts it
// again. Without a folder it loses everything.
func (c *Cluster) Stop(name string) {
	c.t.Helper()
	i := c.place(name)
	n := c.Node(name)
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		c.t.Logf("chatterboxtest: member %s is stopped: %v", name, err)
	}
	c.note(trace.Crash, i, trace.DataKept)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[i] = nil
}

// stopWithin is how long the others may take to get what only a member has that stops.
const stopWithin = 5 * time.Second

// CrashLosingData ends a member at once and takes its folder away.
func (c *Cluster) CrashLosingData(name string) {
	c.t.Helper()
	i := c.place(name)
	c.crash(i, trace.DataLost)
	c.disks[i], c.snapshots[i] = newDisk(), newDisk()
}

// crash takes the power away from the disks first: what is done after that
// leaves no trace.
func (c *Cluster) crash(i int, data string) {
	c.t.Helper()
	n := c.Node(c.members[i].Name)
	c.disks[i].crash()
	c.snapshots[i].crash()
	c.isolate(i, true)
	c.note(trace.Crash, i, data)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = n.Close(ended) // a crash has no farewell
	c.isolate(i, false)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[i] = nil
}

// isolate lets nothing leave a machine while it ends.
func (c *Cluster) isolate(i int, down bool) {
	switch {
	case c.network == nil:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.down[i] = down
	case down:
		c.network.Pause(c.members[i].Address)
	default:
		c.network.Resume(c.members[i].Address)
	}
}

// Restart starts a member that crashed, or was stopped.
func (c *Cluster) Restart(name string) {
	c.t.Helper()
	if err := c.TryRestart(name); err != nil {
		c.t.Fatalf("chatterboxtest: %v", err)
	}
}

// TryRestart is Restart, and returns why the member does not start: then it is as
// after a crash.
func (c *Cluster) TryRestart(name string) error {
	c.t.Helper()
	i := c.place(name)
	if c.running(i) != nil {
		c.t.Fatalf("chatterboxtest: member %s runs", name)
	}
	c.disks[i].repair()
	c.snapshots[i].repair()
	return c.open(i)
}

// FillDisk lets nothing more fit into a member's folder, until FreeDisk or its
// next start.
func (c *Cluster) FillDisk(name string) {
	c.t.Helper()
	disk := c.disks[c.place(name)]
	disk.Resize(max(disk.Size(), 1))
}

// FreeDisk makes room in a member's folder.
func (c *Cluster) FreeDisk(name string) {
	c.t.Helper()
	c.disks[c.place(name)].Resize(0)
}

// DamageDisk changes a bit wherever a text, such as a payload, stands in a
// member's folder, and returns how often that was. The member may run.
func (c *Cluster) DamageDisk(name, text string) (times int) {
	c.t.Helper()
	return c.disks[c.place(name)].Rot([]byte(text))
}

// DamageBit changes one bit of a member's folder, as a bad disk would, and returns
// how many bits there are. The member may run.
func (c *Cluster) DamageBit(name string, bit int) (bits int) {
	c.t.Helper()
	return c.disks[c.place(name)].RotBit(bit)
}

// BreakDisk lets every sync of a member's folder fail, until its next start.
func (c *Cluster) BreakDisk(name string) {
	c.t.Helper()
	c.disks[c.place(name)].broken.Store(true)
}

// Evict has a running member go on without another one, and fails the test if
// that is not decided within ten seconds.
func (c *Cluster) Evict(at, name string) chatterbox.View {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), evictWithin)
	defer cancel()
	view, err := c.Node(at).Change(ctx, chatterbox.Change{Evict: name})
	if err != nil {
		c.t.Fatalf("chatterboxtest: evict %s at %s: %v", name, at, err)
	}
	return view
}

// evictWithin is how long a change may take.
const evictWithin = 10 * time.Second
