package keys

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/core/member"
)

// list returns members of some names, ordinary and odd ones.
func list() member.List {
	return member.List{{Name: "a"}, {Name: "b"}, {Name: "127.0.0.1:3000"}, {Name: "../c/d"}}
}

func made(t *testing.T, cfg Config) Made {
	t.Helper()
	if cfg.Now.IsZero() {
		cfg.Now = time.Now()
	}
	if cfg.ValidFor == 0 {
		cfg.ValidFor = time.Hour
	}
	done, err := Make(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func load(t *testing.T, folder, name string) *tls.Config {
	t.Helper()
	config, err := Load(folder, name)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// meet makes a connection from one member to another, over TLS, and carries a
// byte there and back; the error is that of whoever refused.
func meet(from, to *tls.Config, name string) (state tls.ConnectionState, err error) {
	server, client := to.Clone(), from.Clone()
	server.ClientAuth, client.ServerName = tls.RequireAndVerifyClientCert, name
	if fresh := to.GetConfigForClient; fresh != nil { // as the transport does
		server.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			config, err := fresh(hello)
			if err == nil {
				config.ClientAuth = tls.RequireAndVerifyClientCert
			}
			return config, err
		}
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		return state, err
	}
	defer listener.Close() //nolint:errcheck // nothing was written to it
	served := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			_, err = io.CopyN(conn, conn, 1)
			_ = conn.Close()
		}
		served <- err
	}()
	conn, err := tls.Dial("tcp", listener.Addr().String(), client)
	if err != nil {
		return state, errors.Join(err, <-served)
	}
	defer conn.Close() //nolint:errcheck // all was read
	if _, err = conn.Write([]byte{1}); err == nil {
		_, err = io.ReadFull(conn, make([]byte, 1))
	}
	return conn.ConnectionState(), errors.Join(err, <-served)
}

func TestMembersMeetWithTheKeysOfOneFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "keys")
	if done := made(t, Config{Folder: folder, Members: list()}); !done.Secret || len(done.Members) != 4 {
		t.Fatalf("%+v", done)
	}
	for _, from := range list() {
		for _, to := range list() {
			state, err := meet(load(t, folder, from.Name), load(t, folder, to.Name), to.Name)
			if err != nil || state.Version != tls.VersionTLS13 {
				t.Errorf("%s to %s: %v", from.Name, to.Name, err)
			}
		}
	}
	if _, err := meet(load(t, folder, "a"), load(t, folder, "b"), "a"); err == nil {
		t.Error("b passes for a")
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != 2+2*4 {
		t.Errorf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		info, err := file.Info()
		private := !strings.HasSuffix(file.Name(), ".pem")
		if err != nil || private != (info.Mode().Perm() == privateMode) {
			t.Errorf("%s has mode %v: %v", file.Name(), info.Mode(), err)
		}
	}
}

// TestAuthorityFollowsFromTheSecret makes keys at two places from one secret:
// their authority is the same, byte for byte, and their members meet.
func TestAuthorityFollowsFromTheSecret(t *testing.T) {
	here, there, elsewhere := t.TempDir(), t.TempDir(), t.TempDir()
	made(t, Config{Folder: here, Members: list()[:1]})
	secret, err := os.ReadFile(filepath.Join(here, secretFile))
	if err == nil {
		err = os.WriteFile(filepath.Join(there, secretFile), secret, privateMode)
	}
	if err != nil {
		t.Fatal(err)
	}
	if done := made(t, Config{Folder: there, Members: list()[1:2]}); done.Secret {
		t.Error("the secret was drawn although there was one")
	}
	made(t, Config{Folder: elsewhere, Members: list()[1:2]})
	authorities := make([][]byte, 3)
	for i, folder := range []string{here, there, elsewhere} {
		if authorities[i], err = os.ReadFile(filepath.Join(folder, caFile)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(authorities[0], authorities[1]) || bytes.Equal(authorities[0], authorities[2]) {
		t.Error("the authority does not follow from the secret")
	}
	if _, err := meet(load(t, here, "a"), load(t, there, "b"), "b"); err != nil {
		t.Error(err)
	}
	if _, err := meet(load(t, here, "a"), load(t, elsewhere, "b"), "b"); err == nil {
		t.Error("members of two secrets meet")
	}
}

// TestDerivationStaysAsItIs holds the authority of a secret, for one that has
// been derived is at members already.
func TestDerivationStaysAsItIs(t *testing.T) {
	ca, err := newAuthority(bytes.Repeat([]byte{7}, secretBytes))
	if err != nil {
		t.Fatal(err)
	}
	again, err := newAuthority(bytes.Repeat([]byte{7}, secretBytes))
	if err != nil || !bytes.Equal(ca.certificate.Raw, again.certificate.Raw) {
		t.Errorf("the same secret makes another authority: %v", err)
	}
	want, err := os.ReadFile("testdata/authority.pem")
	if err != nil {
		t.Fatal(err)
	}
	got := pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: ca.certificate.Raw})
	if !bytes.Equal(got, want) {
		t.Errorf("the authority is\n%s\nand was\n%s", got, want)
	}
}

func TestKeysThatAreThereStayUnlessRenewed(t *testing.T) {
	folder := t.TempDir()
	made(t, Config{Folder: folder, Members: list()[:2]})
	if done := made(t, Config{Folder: folder, Members: list()[:3]}); len(done.Members) != 1 || done.Members[0] != "127.0.0.1:3000" {
		t.Errorf("%+v", done)
	}
	first := load(t, folder, "a")
	before, err := first.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	if done := made(t, Config{Folder: folder, Members: list()[:1], Renew: true}); len(done.Members) != 1 {
		t.Errorf("%+v", done)
	}
	after, err := load(t, folder, "a").GetCertificate(nil)
	if err != nil || bytes.Equal(before.Certificate[0], after.Certificate[0]) {
		t.Errorf("nothing was renewed: %v", err)
	}
	deadline := time.After(10 * time.Second)
	for ; ; <-time.After(50 * time.Millisecond) {
		select {
		case <-deadline:
			t.Fatal("a running member does not show its new certificate")
		default:
		}
		if now, err := first.GetCertificate(nil); err == nil && bytes.Equal(now.Certificate[0], after.Certificate[0]) {
			return
		}
	}
}

func TestRevokedCertificateIsRefused(t *testing.T) {
	folder, other := t.TempDir(), t.TempDir()
	made(t, Config{Folder: folder, Members: list()[:2]})
	for _, name := range []string{caFile, "member-b.pem", "member-b.key"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(other, name), text, privateMode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	stolen := load(t, other, "b")
	state, err := meet(load(t, folder, "a"), stolen, "b")
	if err != nil {
		t.Fatal(err)
	}
	number, err := Revoke(folder, "b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := meet(load(t, folder, "a"), stolen, "b"); err == nil || !strings.Contains(err.Error(), number+" was revoked") {
		t.Errorf("after it was revoked: %v", err)
	}
	if err := load(t, folder, "a").VerifyConnection(state); err == nil {
		t.Error("an open connection stays good")
	}
	made(t, Config{Folder: folder, Members: list()[:2]})
	if _, err := meet(load(t, folder, "a"), load(t, folder, "b"), "b"); err != nil {
		t.Errorf("a new certificate of the same member: %v", err)
	}
}

// TestAuthorityIsExchangedWithoutARestart: both authorities for a while, then
// only the new one; an open connection of the old one ends then.
func TestAuthorityIsExchangedWithoutARestart(t *testing.T) {
	folder, next := t.TempDir(), t.TempDir()
	made(t, Config{Folder: folder, Members: list()[:2]})
	made(t, Config{Folder: next, Members: list()[:2]})
	a, b := load(t, folder, "a"), load(t, next, "b")
	if _, err := meet(b, a, "a"); err == nil {
		t.Fatal("another authority is taken")
	}
	old, err := meet(load(t, folder, "b"), a, "a")
	if err != nil {
		t.Fatal(err)
	}
	exchange := func(folders ...string) {
		t.Helper()
		var all []byte
		for _, from := range folders {
			text, err := os.ReadFile(filepath.Join(from, caFile))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, text...)
		}
		for _, to := range []string{folder, next} {
			if err := os.WriteFile(filepath.Join(to, "new.pem"), all, publicMode); err != nil {
				t.Fatal(err)
			}
		}
		for _, to := range []string{folder, next} {
			if err := os.Rename(filepath.Join(to, "new.pem"), filepath.Join(to, caFile)); err != nil {
				t.Fatal(err)
			}
		}
	}
	soon := func(what string, holds func() bool) {
		t.Helper()
		for end := time.After(20 * time.Second); !holds(); <-time.After(20 * time.Millisecond) {
			select {
			case <-end:
				t.Fatal(what)
			default:
			}
		}
	}
	own, err := os.ReadFile(filepath.Join(next, caFile))
	if err != nil {
		t.Fatal(err)
	}
	exchange(folder, next)
	soon("the second authority is never taken", func() bool {
		_, err := meet(dialer(t, b), a, "a")
		return err == nil
	})
	if err := a.VerifyConnection(old); err != nil {
		t.Errorf("while both are taken: %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder, caFile), own, publicMode); err != nil {
		t.Fatal(err)
	}
	soon("a connection of the first authority never ends", func() bool { return a.VerifyConnection(old) != nil })
}

// dialer returns the configuration of who dials as it is now, as the transport
// asks for it.
func dialer(t *testing.T, config *tls.Config) *tls.Config {
	t.Helper()
	fresh, err := config.GetConfigForClient(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	return fresh
}

func TestWhatIsWrongWithKeysIsSaid(t *testing.T) {
	folder := t.TempDir()
	if _, err := Load(folder, "a"); err == nil || !strings.Contains(err.Error(), "make keys with `chatterbox keys") {
		t.Errorf("no keys at all: %v", err)
	}
	made(t, Config{Folder: folder, Members: list()[:1]})
	if _, err := Load(folder, "b"); err == nil || !strings.Contains(err.Error(), "member-b.pem") {
		t.Errorf("no keys of b: %v", err)
	}
	for _, name := range []string{"pem", "key"} {
		if err := os.Rename(filepath.Join(folder, "member-a."+name), filepath.Join(folder, "member-b."+name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Load(folder, "b"); err == nil || !strings.Contains(err.Error(), "not one of member b") {
		t.Errorf("the keys of another: %v", err)
	}
	made(t, Config{Folder: folder, Members: list()[:1], Now: time.Now().Add(-48 * time.Hour), Renew: true})
	if _, err := Load(folder, "a"); err == nil || !strings.Contains(err.Error(), "make a new one") {
		t.Errorf("expired keys: %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder, secretFile), []byte("12\n"), privateMode); err != nil {
		t.Fatal(err)
	}
	if _, err := Make(Config{Folder: folder}); err == nil || !strings.Contains(err.Error(), "64 hexadecimal digits") {
		t.Errorf("a short secret: %v", err)
	}
}
