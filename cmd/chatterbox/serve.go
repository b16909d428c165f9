package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"chatterbox"
	"chatterbox/internal/cli"
	"chatterbox/internal/core/member"
	"chatterbox/internal/serve"
	"chatterbox/internal/term"
	"chatterbox/internal/world/node"
)

// serveCommand runs one member until it is stopped.
type serveCommand struct {
	cli.Settings
	memberFlags
	DataDir     cli.Text           `placeholder:"DIR" help:"Folder of the durable log; a restart with the same folder continues."`
	Volatile    bool               `help:"Keep nothing on disk: what only this member holds is lost with it, and restarted it only reads until the others have evicted its former life."`
	HTTP        cli.Text           `name:"http" default:"127.0.0.1:0" placeholder:"ADDR" help:"Where HTTP is served; port 0 chooses one. The address is printed on stderr."`
	HTTPToken   cli.Text           `name:"http-token" placeholder:"FILE" help:"File of bearer tokens, a line each: \"write TOKEN\" or \"read TOKEN\". Needed where HTTP can be reached from elsewhere."`
	Dashboard   cli.Text           `placeholder:"ADDR" help:"Show this member, and what it knows of the others, on a page in the browser, such as 127.0.0.1:7070; port 0 chooses one. It only looks; beyond loopback the browser asks for a token of --http-token, as the password."`
	RetainBytes cli.Whole          `default:"0" help:"About how many bytes of settled entries can be read again; 0 is no limit."`
	RetainFor   cli.Seconds        `default:"0" help:"How long settled entries can be read again; 0 is no limit. A bare number is seconds."`
	Memory      cli.Whole          `name:"memory-max" default:"192" min:"8" max:"65536" help:"MiB of entries in memory. What peers lack beyond it is on disk; without a folder writing waits then."`
	Disk        cli.Whole          `name:"disk-max" default:"0" max:"1073741824" help:"MiB that the folder may have, at least 16; then writing waits. 0 is no limit but the disk's."`
	Join        cli.Text           `placeholder:"ADDR" help:"Join a running cluster, in place of a member list: ask the member at this host:port, where members dial it. This one is called by --name, and members dial it at --host and --port. A restart with the folder needs neither --join nor a list; one that was away while all that it knew have left or moved, also one of a list, is told there who belongs by now."`
	Name        cli.Text           `placeholder:"NAME" help:"What a member is called that joins; with keys its certificate is for that name."`
	Observe     bool               `help:"Only read: get all that settles, in order, and count nowhere; nothing waits for it. For who joins, or has joined; a restart without it becomes a member that writes."`
	EvictAfter  cli.SecondsOrNever `default:"10s" min:"2s" max:"24h" placeholder:"TIME" help:"Go on without a member that has been away for so long, as members evict does, and take it back once it is reached again. never: members go and come back by command alone. The same at all members."`
	cli.LogFlags

	tokens *serve.Tokens
}

// Help shows how to use the command.
func (serveCommand) Help() string {
	return `Runs one member until it is stopped, and serves it over HTTP: POST /v1/entries writes, GET /v1/entries reads, GET /v1/openapi.json describes all of it. Prints http=ADDR on stderr, and ready once it serves. SIGTERM ends it cleanly, exit status 0.

Each flag can also be given as a variable of the environment, --data-dir as CHATTERBOX_DATA_DIR, or as a line "data-dir = a" of the file that --config names. A flag overrides the environment, and the environment overrides the file; --print-config shows the result.

Examples, with peers.json being ["127.0.0.1:3000", "127.0.0.1:3001", "127.0.0.1:3002"]:

    chatterbox serve -p 3000 --data-dir a --http 127.0.0.1:8000
    chatterbox serve -p 3000 --data-dir a --http 127.0.0.1:8000 --dashboard 127.0.0.1:7070
    chatterbox serve -h 10.0.0.1 -p 3000 --keys keys --data-dir a --http 127.0.0.1:8000
    chatterbox serve --join 127.0.0.1:3000 --name d -p 3003 --data-dir d --http 127.0.0.1:8003
    chatterbox serve --join 127.0.0.1:3000 --name o -p 3004 --data-dir o --http 127.0.0.1:8004 --observe
    curl --data-binary hello http://127.0.0.1:8000/v1/entries
    curl 'http://127.0.0.1:8000/v1/entries?from=1&follow=true'`
}

// Contradictions reads the files too.
func (c *serveCommand) Contradictions(wrong *cli.Mistakes) {
	c.findJoining(wrong)
	c.memberFlags.contradictions(wrong)
	switch {
	case c.DataDir.Value == "" && !c.Volatile:
		wrong.Addf("--data-dir is missing: name a folder, or say --volatile to keep nothing on disk")
	case c.DataDir.Value != "" && c.Volatile:
		wrong.Addf("--data-dir and --volatile exclude each other")
	case c.Disk.Value > 0 && c.Volatile:
		wrong.Addf("--disk-max is for a folder, and --volatile keeps none")
	case c.Disk.Value > 0 && c.Disk.Value < node.DiskBytesMin>>20:
		wrong.Addf("--disk-max %d: at least %d, or 0 for no limit", c.Disk.Value, node.DiskBytesMin>>20)
	}
	if _, _, err := net.SplitHostPort(c.HTTP.Value); err != nil && c.HTTP.Mistake() == "" {
		wrong.Addf("--http %q: write it as host:port", c.HTTP.Value)
	}
	if _, _, err := net.SplitHostPort(c.Dashboard.Value); c.Dashboard.Value != "" && err != nil && c.Dashboard.Mistake() == "" {
		wrong.Addf("--dashboard %q: write it as host:port", c.Dashboard.Value)
	}
	if c.HTTPToken.Value != "" {
		var err error
		if c.tokens, err = serve.ReadTokens(c.HTTPToken.Value); err != nil {
			wrong.Addf("--http-token: %v", err)
		}
	}
}

// Run serves the member until it is interrupted.
func (c *serveCommand) Run(console *cli.Console) error {
	ctx, _ := console.Interruptible()
	limitMemory(int(c.Memory.Value) << 20)
	web, err := c.listenHTTP(ctx)
	if err != nil {
		return err
	}
	defer web.Close() //nolint:errcheck // it is closed by then, unless the node did not start
	peers, err := c.accept(ctx)
	if err != nil {
		return err
	}
	log, endLog := c.LogFlags.Start(console)
	defer endLog()
	door := serve.NewDoor(log)
	show, endShow, err := c.page(console, door)
	if err != nil {
		return errors.Join(err, peers.Close())
	}
	defer endShow()
	alter := func(inner *node.Config) {
		inner.Listener = peers
		if c.joins == "" {
			inner.Members = c.innerMembers()
		}
	}
	if c.Join.Value != "" {
		console.Notef("asks at %s who belongs to the cluster", c.Join.Value)
	}
	n, err := chatterbox.Open(node.Alter(ctx, alter), chatterbox.Config{
		Name: c.called(), Members: c.founders(), Join: c.Join.Value, Observe: c.Observe, Address: c.joinsAt(), Dir: c.DataDir.Value, Volatile: c.Volatile,
		TLS: c.tls, Insecure: c.Insecure,
		Retain:    chatterbox.Retain{Bytes: int64(c.RetainBytes.Value), Age: c.RetainFor.Duration},
		MaxMemory: int64(c.Memory.Value) << 20, MaxDisk: int64(c.Disk.Value) << 20, EvictAfter: c.evictAfter(), Log: log,
	})
	if err != nil {
		return err
	}
	server := &http.Server{Handler: serve.New(serve.Config{Node: n, Tokens: c.tokens, Log: log, Door: door})} //nolint:gosec // Limit sets the deadlines
	serve.Limit(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(door.Listen(web)) }()
	console.Notef("http=%s", web.Addr())
	show(ctx, n)
	console.Notef("ready")
	c.notify(log, "READY=1")
	go serve.Watch(ctx, n, serve.Logged(log))
	select {
	case <-ctx.Done():
	case <-n.Done():
		if err = n.Err(); errors.Is(err, chatterbox.ErrRemoved) {
			err = nil // as it was asked to
		}
	case err = <-served:
	}
	c.notify(log, "STOPPING=1")
	return errors.Join(err, c.stop(n, server, console))
}

// evictAfter returns it as the package has it, where never is negative.
func (c *serveCommand) evictAfter() time.Duration {
	if c.EvictAfter.Duration == 0 {
		return -1
	}
	return c.EvictAfter.Duration
}

// notify tells a service manager that waits for it how the member is, by a
// datagram to the socket that the environment names (sd_notify of systemd).
func (c *serveCommand) notify(log *slog.Logger, state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	socket, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err == nil {
		_, err = socket.Write([]byte(state))
		err = errors.Join(err, socket.Close())
	}
	if err != nil {
		log.Warn("the service manager cannot be told", "state", state, "error", err)
	}
}

// listenHTTP listens where HTTP is served. Others may reach it only if they need
// a token.
func (c *serveCommand) listenHTTP(ctx context.Context) (net.Listener, error) {
	web, err := serve.Listen(ctx, c.HTTP.Value)
	if err != nil {
		return nil, fmt.Errorf("--http %s: %w", c.HTTP.Value, err)
	}
	if address, ok := web.Addr().(*net.TCPAddr); c.tokens == nil && !(ok && address.IP.IsLoopback()) {
		return nil, errors.Join(fmt.Errorf(
			"--http %s: anybody who reaches this address could write: name a file of tokens with --http-token, or listen on 127.0.0.1", c.HTTP.Value), web.Close())
	}
	return web, nil
}

const (
	// stopWithin is how long peers may take to get what only this member has.
	stopWithin = 600 * time.Millisecond
	// tellWithin is how long requests may take to end after that.
	tellWithin = 200 * time.Millisecond
)

// stop ends the node, whose readers are told, and then the requests.
func (c *serveCommand) stop(n *chatterbox.Node, server *http.Server, console *cli.Console) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		console.Notef("note: %s", strings.TrimPrefix(err.Error(), "chatterbox: "))
	}
	ctx, cancel = context.WithTimeout(context.Background(), tellWithin)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		if err = server.Close(); err != nil {
			return err
		}
	}
	status := n.Status()
	console.Notef("stopped: %s entries settled here, %d accepted in this member's name", term.Grouped(uint64(status.Settled)), status.Accepted.Seq)
	console.Obeyed()
	return nil
}

// founders returns the members of the list. Those without a name are called by
// the letters of their places.
func (c *serveCommand) founders() []chatterbox.Member {
	members := make([]chatterbox.Member, len(c.members))
	for i, name := range namesOf(c.members) {
		members[i] = chatterbox.Member{Name: name, Address: c.members[i].Address()}
	}
	return members
}

// innerMembers returns the members as the node within knows them: by the names
// that certificates are for, and without any by those that users see.
func (c *serveCommand) innerMembers() member.List {
	members := slices.Clone(c.members)
	if c.tls == nil {
		for i, name := range namesOf(members) {
			members[i].Name = name
		}
	}
	return members
}

// namesOf returns what the members of a list are called in a cluster that stays.
func namesOf(list member.List) []string { return list.Called() }
