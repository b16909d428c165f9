package chatterboxtest

import (
	"context"
	"time"

	"chatterbox"
	"chatterbox/internal/world/fault"
)

func (c *Cluster) link(from, to int) fault.Link {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.links[from*len(c.members)+to]
}

// change changes the links between two members, in both directions.
func (c *Cluster) change(a, b string, change func(*fault.Link)) {
	c.t.Helper()
	from, to := c.place(a), c.place(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.links[from*len(c.members)+to])
	change(&c.links[to*len(c.members)+from])
}

// Cut lets nothing pass between two members any more; nobody is told.
func (c *Cluster) Cut(a, b string) {
	c.t.Helper()
	c.change(a, b, func(l *fault.Link) { l.Cut = true })
}

// Isolate cuts a member off from all others.
func (c *Cluster) Isolate(name string) {
	c.t.Helper()
	for _, other := range c.Names() {
		if other != name {
			c.Cut(name, other)
		}
	}
}

// Heal ends all failures of the links between two members.
func (c *Cluster) Heal(a, b string) {
	c.t.Helper()
	c.change(a, b, func(l *fault.Link) { *l = fault.Link{} })
}

// HealAll ends all failures of all links.
func (c *Cluster) HealAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.links)
}

// Drop lets a share of the messages between two members be lost, from 0 to 1.
func (c *Cluster) Drop(a, b string, share float64) {
	c.t.Helper()
	c.change(a, b, func(l *fault.Link) { l.Drop = share })
}

// Delay lets messages between two members take longer, from least to most.
func (c *Cluster) Delay(a, b string, least, most time.Duration) {
	c.t.Helper()
	c.change(a, b, func(l *fault.Link) { l.DelayMin, l.DelayMax = least, most })
}

// Pause stops a member: it hears and says nothing until Resume.
func (c *Cluster) Pause(name string) {
	c.t.Helper()
	c.network.Pause(c.members[c.place(name)].Address)
}

// Resume lets a paused member go on.
func (c *Cluster) Resume(name string) {
	c.t.Helper()
	c.network.Resume(c.members[c.place(name)].Address)
}

// Crash ends a member at once. What it had made durable stays in its folder;
// without one it loses everything.
func (c *Cluster) Crash(name string) {
	c.t.Helper()
	c.crash(c.place(name))
}

// CrashLosingData ends a member at once and takes its folder away.
func (c *Cluster) CrashLosingData(name string) {
	c.t.Helper()
	i := c.place(name)
	c.crash(i)
	c.disks[i], c.snapshots[i] = newDisk(), newDisk()
}

// crash takes the power away from the disks first: what is done after that
// leaves no trace.
func (c *Cluster) crash(i int) {
	c.t.Helper()
	n := c.Node(c.members[i].Name)
	c.disks[i].crash()
	c.snapshots[i].crash()
	c.network.Pause(c.members[i].Address)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = n.Close(ended) // a crash has no farewell
	c.network.Resume(c.members[i].Address)
	c.nodes[i] = nil
}

// Restart starts a member that crashed.
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
	if c.nodes[i] != nil {
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
