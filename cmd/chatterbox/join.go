package main

import (
	"cmp"
	"net"
	"strconv"

	"chatterbox/internal/cli"
	"chatterbox/internal/core/member"
	"chatterbox/internal/world/journal"
)

// findJoining finds out whether this member is none of a list: it joins, or its folder
// says that it has joined.
func (c *serveCommand) findJoining(wrong *cli.Mistakes) {
	if kept := joinedIn(c.DataDir.Value); c.Join.Value == "" && kept != "" {
		c.joins = kept
		if c.Name.Value != "" && c.Name.Value != kept {
			wrong.Addf("--name %q: the folder %s is that of %s", c.Name.Value, c.DataDir.Value, kept)
		}
		return
	}
	if c.Join.Value == "" {
		if c.Name.Value != "" {
			wrong.Addf("--name %q: members of a list are called as there: it is for --join", c.Name.Value)
		}
		if c.Observe {
			wrong.Addf("--observe is for who joins, or has joined: give it --join HOST:PORT, or the folder of such a one")
		}
		return
	}
	if c.Name.Value == "" {
		wrong.Addf("--name is missing: say what the member is called that joins")
	}
	if _, _, err := net.SplitHostPort(c.Join.Value); err != nil {
		wrong.Addf("--join %q: write it as host:port, where members dial one of them", c.Join.Value)
	}
	c.joins = cmp.Or(c.Name.Value, "?") // without a name there is a mistake, and no list is looked for
}

// joinedIn returns what the member of a folder is called that has joined; "" if that
// is another one, or there is none.
func joinedIn(folder string) string {
	files, err := journal.ReadOnly(folder)
	if err != nil {
		return ""
	}
	owner, err := journal.OwnerOf(files)
	if err != nil || owner == nil || int(owner.Self) < owner.Members || owner.View == nil || int(owner.Self) >= len(owner.View.Places) {
		return ""
	}
	return owner.View.Places[owner.Self].Name
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
