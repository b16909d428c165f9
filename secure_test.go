package chatterbox_test

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"chatterbox"
	"chatterbox/internal/core/member"
	"chatterbox/internal/world/keys"
	"chatterbox/test/program"
)

// TestMembersWithKeysAgree opens two members over TLS on real sockets; a third
// one without keys is refused, and its status and theirs say why.
func TestMembersWithKeysAgree(t *testing.T) {
	folder := t.TempDir()
	var members []chatterbox.Member
	var list member.List
	for _, name := range []string{"a", "b", "c"} {
		members = append(members, chatterbox.Member{Name: name, Address: fmt.Sprintf("127.0.0.1:%d", program.Ports(t, 1)[0])})
		list = append(list, member.Member{Name: name})
	}
	if _, err := keys.Make(keys.Config{Folder: folder, Members: list, ValidFor: time.Hour, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	open := func(name string, config *tls.Config) *chatterbox.Node {
		node, err := chatterbox.Open(t.Context(), chatterbox.Config{Name: name, Members: members, Volatile: true, TLS: config})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = node.Close(t.Context()) })
		return node
	}
	load := func(name string) *tls.Config {
		config, err := keys.Load(folder, name)
		if err != nil {
			t.Fatal(err)
		}
		return config
	}
	a := open("a", load("a"))
	open("b", load("b"))
	c := open("c", nil)
	const refused = "one side speaks TLS and the other does not"
	until(t, func() error {
		if m := a.Status().Members; m[1].Heard.IsZero() || !strings.Contains(m[2].Trouble, refused) {
			return fmt.Errorf("member a knows %+v", m)
		}
		for _, m := range c.Status().Members[:2] {
			if !m.Heard.IsZero() || !strings.Contains(m.Trouble, refused) {
				return fmt.Errorf("member c knows %+v", m)
			}
		}
		return nil
	})
}

// until waits until something holds.
func until(t *testing.T, holds func() error) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		err := holds()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatal(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
