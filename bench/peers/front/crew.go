package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"chatterbox/internal/job/cluster"
)

// memberArgument makes this program a member of NATS or etcd.
const memberArgument = "member"

func member(ctx context.Context, arguments []string) error {
	if len(arguments) < 1 {
		return errors.New("which system?")
	}
	switch arguments[0] {
	case "nats":
		return memberNATS(ctx, arguments[1:])
	case "etcd":
		return memberEtcd(ctx, arguments[1:])
	}
	return fmt.Errorf("no system is called %q", arguments[0])
}

// crew is the processes of one measurement and their folder.
type crew struct {
	folder    string
	processes []*exec.Cmd
	said      []*bytes.Buffer
}

func newCrew() (*crew, error) {
	folder, err := os.MkdirTemp("", "chatterbox-front-")
	return &crew{folder: folder}, err
}

// start runs a program as the next member, in the folder, with its share of
// the cores; the clients have one as well.
func (c *crew) start(ctx context.Context, program string, arguments ...string) error {
	command := exec.CommandContext(ctx, program, arguments...)
	command.Dir, command.Env, command.SysProcAttr = c.folder, cluster.ChildEnvironment(members+1), cluster.ChildAttributes()
	said := &bytes.Buffer{}
	command.Stdout, command.Stderr = said, said
	if err := command.Start(); err != nil {
		return err
	}
	c.processes, c.said = append(c.processes, command), append(c.said, said)
	return nil
}

// self runs this program as a member of a system.
func (c *crew) self(ctx context.Context, arguments ...string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return c.start(ctx, program, append([]string{memberArgument}, arguments...)...)
}

// stop ends all and removes the folder.
func (c *crew) stop() {
	for _, p := range c.processes {
		_ = p.Process.Kill()
		_ = p.Wait()
	}
	c.processes = nil
	_ = os.RemoveAll(c.folder)
}

// talk ends all and returns what they said.
func (c *crew) talk() string {
	for _, p := range c.processes {
		_ = p.Process.Kill()
		_ = p.Wait()
	}
	c.processes = nil
	text := ""
	for i, said := range c.said {
		text += fmt.Sprintf("member %d: %s\n", i, said)
	}
	return text
}

// freeAddresses finds so many addresses on loopback that nobody listens on.
func freeAddresses(ctx context.Context, count int) (addresses []string, err error) {
	for range count {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close() //nolint:errcheck // it carried nothing
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}

// path returns a path in the crew's folder.
func (c *crew) path(name string) string { return filepath.Join(c.folder, name) }
