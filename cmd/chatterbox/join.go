package main

import (
	"net"
	"strconv"

	"chatterbox/internal/cli"
	"chatterbox/internal/core/member"
	"chatterbox/internal/world/journal"
)

// findJoining finds out whether this member is none of a list: it joins, or its folder
// says that it has joined. With --join a folder goes on, and asks there who belongs.
func (c *serveCommand) findJoining(wrong *cli.Mistakes) {
	if _, _, err := net.SplitHostPort(c.Join.Value); c.Join.Value != "" && err != nil {
		wrong.Addf("--join %q: write it as host:port, where members dial one of them", c.Join.Value)
	}
	var founder bool
	c.joins, founder = keptIn(c.DataDir.Value)
	switch {
	case c.joins != "":
		if c.Name.Value != "" && c.Name.Value != c.joins {
			wrong.Addf("--name %q: the folder %s is that of %s", c.Name.Value, c.DataDir.Value, c.joins)
		}
	case c.Join.Value == "" || founder:
		if c.Name.Value != "" {
			wrong.Addf("--name %q: members of a list are called as there: it is for who joins, with an empty folder", c.Name.Value)
		}
		if c.Observe {
			wrong.Addf("--observe is for who joins, or has joined: give it --join HOST:PORT, or the folder of such a one")
		}
	case c.Name.Value == "":
		wrong.Addf("--name is missing: say what the member is called that joins")
		c.joins = "?" // so no list is looked for
	default:
		c.joins = c.Name.Value
	}
}

// keptIn returns what the member of a folder is called that has joined, and whether the
// folder is that of a member of the list.
func keptIn(folder string) (joined string, founder bool) {
	files, err := journal.ReadOnly(folder)
	if err != nil {
		return "", false
	}
	owner, err := journal.OwnerOf(files)
	switch {
	case err != nil || owner == nil:
		return "", false
	case int(owner.Self) < owner.Members:
		return "", true
	case owner.View == nil || int(owner.Self) >= len(owner.View.Places):
		return "", false
	}
	return owner.View.Places[owner.Self].Name, false
}

// called returns what this member is called.
func (c *serveCommand) called() string {
	if c.joins != "" {
		return c.joins
	}
	return namesOf(c.members)[c.self]
}

// joinsAt returns where members dial one that joins.
func (c *serveCommand) joinsAt() string {
	if c.joins == "" {
		return ""
	}
	host, err := member.CheckHost(c.Host.Value)
	if err != nil {
		return "" // it was told
	}
	return net.JoinHostPort(host, strconv.Itoa(int(c.Port.Value)))
}
