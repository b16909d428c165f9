package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"chatterbox/internal/cli"
	"chatterbox/internal/core/member"
	"chatterbox/internal/world/keys"
	"chatterbox/internal/world/transport"
)

// memberFlags say which member of which list this is, and where it listens.
type memberFlags struct {
	Port     cli.Whole `short:"p" default:"3000" min:"1" max:"65535" help:"Listen port."`
	Host     cli.Text  `short:"h" default:"127.0.0.1" help:"Listen address, as it stands in the member list."`
	Listen   cli.Text  `placeholder:"ADDR" help:"Listen there instead, for example on 0.0.0.0, while peers dial host and port."`
	Peers    cli.Text  `name:"peer-config-file" default:"peers.json" help:"The member list, the same file at every member; this one is found in it by host and port."`
	Keys     cli.Text  `placeholder:"DIR" help:"Folder with this member's keys, which chatterbox keys makes: links are encrypted, and only members take part."`
	Insecure bool      `help:"Allow a listen address that is not loopback although there are no keys."`

	members member.List
	self    member.ID
	joins   string // what a member is called that is none of the list; "": it is one
	listen  transport.ListenConfig
	tls     *tls.Config // nil without keys
}

// contradictions reads the peers file, so that its mistakes are told with those
// of the flags.
func (c *memberFlags) contradictions(wrong *cli.Mistakes) {
	if c.Port.Mistake() != "" || c.Host.Mistake() != "" {
		return // it is not known who this is
	}
	host, err := member.CheckHost(c.Host.Value)
	if err != nil {
		wrong.Addf("--host %q: %v", c.Host.Value, err)
	} else if c.findListen(member.Member{Host: host, Port: int(c.Port.Value)}, wrong); c.openly() {
		wrong.Addf("%s: %v: %s", c.listenFlag(), transport.ErrOpen, openAdvice)
	}
	switch {
	case c.joins != "":
		c.loadKeys(c.joins, wrong)
	case c.Peers.Mistake() == "":
		c.findSelf(host, wrong)
	}
}

// findSelf finds this member in the list, if its host is one.
func (c *memberFlags) findSelf(host string, wrong *cli.Mistakes) {
	list, err := member.ReadList(c.Peers.Value)
	if err != nil {
		wrong.Addf("--peer-config-file %q: %v", c.Peers.Value, err)
		return
	}
	c.members = list
	if host == "" {
		return
	}
	if c.self, err = list.Find(host, int(c.Port.Value)); err != nil {
		wrong.Addf("--host %s --port %d: %v", host, c.Port.Value, err)
		return
	}
	c.loadKeys(list[c.self].Name, wrong)
}

// loadKeys reads the keys of this member, if there are any.
func (c *memberFlags) loadKeys(name string, wrong *cli.Mistakes) {
	if c.Keys.Value == "" {
		return
	}
	var err error
	if c.tls, err = keys.Load(c.Keys.Value, name); err != nil {
		wrong.Addf("--keys %q: %v", c.Keys.Value, err)
	}
}

// findListen finds out where to listen.
func (c *memberFlags) findListen(own member.Member, wrong *cli.Mistakes) {
	if c.Listen.Mistake() != "" {
		return
	}
	c.listen = transport.ListenConfig{Open: c.Insecure || c.Keys.Value != ""}
	var err error
	if c.listen.Host, c.listen.Port, err = member.ListenAddress(c.Listen.Value, own); err != nil {
		wrong.Addf("--listen %q: %v", c.Listen.Value, err)
	}
}

// openAdvice is what to do about an address that others can reach.
const openAdvice = "give members keys (chatterbox keys DIR, and --keys DIR), listen on a loopback address such as 127.0.0.1, or allow it with --insecure"

// openly reports whether an address was given that is open to others, and that
// was not allowed. What a name stands for shows when it is listened on.
func (c *memberFlags) openly() bool {
	address, err := netip.ParseAddr(c.listen.Host)
	return !c.listen.Open && (err == nil && !address.Unmap().IsLoopback() || c.listen.Host == "" && c.listen.Port != 0)
}

// listenFlag names the flag that says where to listen.
func (c *memberFlags) listenFlag() string {
	if c.Listen.Value != "" {
		return fmt.Sprintf("--listen %q", c.Listen.Value)
	}
	return fmt.Sprintf("--host %q", c.Host.Value)
}

// accept listens for peers.
func (c *memberFlags) accept(ctx context.Context) (net.Listener, error) {
	listener, err := transport.Listen(ctx, c.listen)
	if errors.Is(err, transport.ErrOpen) {
		return nil, fmt.Errorf("%s: %w: %s", c.listenFlag(), err, openAdvice)
	}
	return listener, err
}
