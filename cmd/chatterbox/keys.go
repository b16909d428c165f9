package main

import (
	"fmt"
	"strings"
	"time"

	"chatterbox/internal/cli"
	"chatterbox/internal/core/member"
	"chatterbox/internal/world/keys"
)

// keysCommand makes what the members of a cluster prove themselves with.
type keysCommand struct {
	Folder   cli.Text    `arg:"" name:"dir" help:"The folder; what is there stays."`
	Peers    cli.Text    `name:"peer-config-file" default:"peers.json" help:"The member list: everybody in it gets a certificate."`
	ValidFor cli.Seconds `default:"8760h" min:"1m" help:"How long certificates are good."`
	Renew    bool        `help:"Make certificates anew where there are some; running members show them at once."`
	Revoke   cli.Text    `placeholder:"NAME" help:"Write the member's certificate into the list of revoked ones, and delete it here."`
}

// Help shows how to use the command.
func (keysCommand) Help() string {
	return `Makes, where they are missing: a secret, the authority that follows from it, and a certificate with a key for each member. A member needs ca.pem and its own two files, and revoked if there is one, in a folder that it is given with --keys. The secret makes members: keep it where none runs. With the same secret the same authority can be made at another place.

Examples:

    chatterbox keys keys
    chatterbox node --keys keys -h 10.0.0.1
    chatterbox keys keys --revoke b; chatterbox keys keys`
}

// Run makes what is missing, or revokes.
func (c *keysCommand) Run(console *cli.Console) error {
	if c.Revoke.Value != "" {
		number, err := keys.Revoke(c.Folder.Value, c.Revoke.Value)
		if err != nil {
			return err
		}
		fmt.Fprintf(console.Stdout, "revoked number %s of %s; copy %s/revoked to all members\n", number, c.Revoke.Value, c.Folder.Value)
		return nil
	}
	list, err := member.ReadList(c.Peers.Value)
	if err != nil {
		return fmt.Errorf("--peer-config-file %q: %w", c.Peers.Value, err)
	}
	made, err := keys.Make(keys.Config{
		Folder: c.Folder.Value, Members: list, ValidFor: c.ValidFor.Duration, Renew: c.Renew, Now: time.Now(),
	})
	if err != nil {
		return err
	}
	if made.Secret {
		fmt.Fprintln(console.Stdout, "drew a secret, and derived the authority from it")
	}
	if len(made.Members) == 0 {
		fmt.Fprintln(console.Stdout, "all members have their keys")
		return nil
	}
	fmt.Fprintf(console.Stdout, "made keys of %s\n", strings.Join(made.Members, ", "))
	return nil
}
