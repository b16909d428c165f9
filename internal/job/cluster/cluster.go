// Package cluster runs a cluster of real processes on this machine, over real
// sockets, and does to them what a failure map says.
//
// A [Config] says what to run. [Run] starts a process for each member, breaks
// and restarts them in time, and gives a [Report] with a [Member] each, whose
// [Verdict] says whether they agree. The map's links are broken inside the
// members' transports: each process is given the map and the moment when it
// began.
//
// Goroutines: Run's own owns all state; each process has one that reads its
// stderr, one that reads its progress, and one that waits for its end. Where a
// cluster is watched, one tells the watcher, and one reads each member's events.
package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/job"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/show/live"
)

// Config is all that a cluster is run from.
type Config struct {
	Executable string   // the chatterbox binary
	Arguments  []string // of `chatterbox node`, the same for all members
	Members    int      // how many
	Host       string   // loopback address of all; default 127.0.0.1
	// RunFor is how long a member may take: its send and its grace phase.
	RunFor time.Duration
	// MapPath is a failure map for the members' transports, empty for none.
	// Map is the same map, and Schedule the same bound to Names; what it does to members is done
	// to their processes. Times count from Epoch, default now.
	MapPath  string
	Map      failure.Map
	Schedule *failure.Schedule
	Epoch    time.Time
	// Folder is for the peers file and the like; it must exist.
	Folder string
	// DataDir is where each member has a folder for its durable log, beside
	// the peers file that these belong to; empty for none. A later run with the
	// same folder continues. A map that restarts members with their data needs
	// it.
	DataDir string
	// Trace gets the trace of all in the end, nil for none; Header is what it
	// begins with.
	Trace  io.Writer
	Header trace.Header

	// Watch is told what happens while it happens, thinned, in order of time and
	// a little late; nil is nobody. Changes are lines of a failure map that
	// happen when they come; they need Watch and MapPath. Watch is called by one
	// goroutine at a time.
	Watch   live.Watcher
	Changes <-chan Change

	// Progress is told how far members are, and Line what they write to
	// stderr. Tick is called now and then meanwhile. All may be nil; calls come
	// one at a time.
	Progress func(member.ID, job.Progress)
	Line     func(member.ID, string)
	Tick     func()
	Log      *slog.Logger
}

const (
	loopback = "127.0.0.1"
	// startTries is how often a cluster is started when somebody takes one of
	// its ports meanwhile.
	startTries = 3
	// patience is how long a member may take beyond its deadline before it is
	// killed.
	patience = 5 * time.Second
	// askedFor is how long members may take to end when they are told to; it is
	// longer than an interrupted run takes.
	askedFor = job.InterruptedFor + 350*time.Millisecond
	// tickEvery is how often Config.Tick is called.
	tickEvery = 50 * time.Millisecond
	// errorLinesMax is how many of a member's last lines on stderr are kept.
	errorLinesMax = 20
)

// Run runs the cluster until all members have ended, and reports. When ctx
// ends, all members are told to end, and those that do not are killed soon;
// when kill ends, all are killed at once. An error says that there was no run.
func Run(ctx, kill context.Context, config Config) (*Report, error) {
	config = config.withDefaults()
	for try := 1; ; try++ {
		peers, path, err := config.peers()
		if err != nil {
			return nil, err
		}
		report, err := runOnce(ctx, kill, config, peers, path)
		if !errors.Is(err, errPortTaken) || try == startTries {
			return report, err
		}
	}
}

// peersFile is the name of the members' peers file.
const peersFile = "peers.json"

// peers returns the members and where their peers file is. Data belongs to the
// members of one list, so their folder keeps it, and they come back at the
// ports that they had.
func (c *Config) peers() (member.List, string, error) {
	if c.DataDir == "" {
		return c.choose(c.Folder)
	}
	if err := os.MkdirAll(c.DataDir, 0o777); err != nil {
		return nil, "", fmt.Errorf("cluster: folder for data: %w", err)
	}
	path := filepath.Join(c.DataDir, peersFile)
	list, err := member.ReadList(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c.choose(c.DataDir)
	case err != nil:
		return nil, "", err
	case len(list) != c.Members:
		return nil, "", fmt.Errorf("cluster: %s holds the data of a cluster of %d members, not of %d: ask for as many, or give another folder",
			c.DataDir, len(list), c.Members)
	}
	return list, path, nil
}

// choose chooses free ports, and writes the peers file into a folder.
func (c *Config) choose(folder string) (member.List, string, error) {
	ports, err := freePorts(rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), c.Host, c.Members)
	if err != nil {
		return nil, "", err
	}
	list := List(c.Host, ports)
	path, err := writePeers(folder, list)
	return list, path, err
}

func (c Config) withDefaults() Config {
	if c.Host == "" {
		c.Host = loopback
	}
	if c.Progress == nil {
		c.Progress = func(member.ID, job.Progress) {}
	}
	if c.Line == nil {
		c.Line = func(member.ID, string) {}
	}
	if c.Tick == nil {
		c.Tick = func() {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// errPortTaken says that somebody took a port between its choice and its use.
var errPortTaken = errors.New("cluster: a port that was free a moment ago is in use")

func runOnce(ctx, kill context.Context, config Config, peers member.List, path string) (*Report, error) {
	if config.Epoch.IsZero() {
		config.Epoch = Begin()
	}
	c := newCrew(config, peers, path)
	defer c.killAll()
	return c.run(ctx, kill)
}

// Names returns the names of a cluster's members: a, b, c.
func Names(members int) member.List {
	return List(loopback, make([]int, members))
}

// List makes the members that listen on the host's ports.
func List(host string, ports []int) member.List {
	list := make(member.List, len(ports))
	for i, port := range ports {
		list[i] = member.Member{Name: member.Letter(member.ID(i)), Host: host, Port: port}
	}
	return list
}

func writePeers(folder string, peers member.List) (string, error) {
	data, err := json.MarshalIndent(peers, "", " ")
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, peersFile)
	if err := os.WriteFile(path, append(data, '\n'), 0o600); err != nil {
		return "", fmt.Errorf("cluster: write peers file: %w", err)
	}
	return path, nil
}

// arguments returns the arguments of the member's process.
func (c *crew) arguments(id member.ID) []string {
	peer := c.peers[id]
	arguments := []string{
		"node", "--host=" + peer.Host, "--port=" + strconv.Itoa(peer.Port),
		"--peer-config-file=" + c.peersPath, "--json",
		"--report-fd=" + strconv.Itoa(ReportFD),
		"--failure-epoch=" + strconv.FormatInt(c.config.Epoch.UnixNano(), 10),
	}
	if c.config.Watch != nil {
		arguments = append(arguments, "--watch-fd="+strconv.Itoa(WatchFD), "--change-fd="+strconv.Itoa(ChangeFD))
	}
	if c.config.MapPath != "" {
		arguments = append(arguments, "--failure-map="+c.config.MapPath)
	}
	if c.config.DataDir != "" {
		arguments = append(arguments, "--data-dir="+c.dataDir(id))
	}
	if c.config.Trace != nil {
		arguments = append(arguments, "--trace="+c.tracePath(peer.Name, c.seats[id].lives))
	}
	return append(arguments, c.config.Arguments...)
}

func (c *crew) dataDir(id member.ID) string { return filepath.Join(c.config.DataDir, c.peers[id].Name) }
