package transport

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chatterbox/internal/core/member"
)

// authority makes certificates for tests.
type authority struct {
	tb          testing.TB
	certificate *x509.Certificate
	key         ed25519.PrivateKey
}

func newAuthority(tb testing.TB) *authority {
	tb.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	a := &authority{tb: tb, key: key}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(10000 * time.Hour),
	}
	a.certificate = a.sign(template, template, key.Public())
	return a
}

func (a *authority) sign(template, parent *x509.Certificate, public any) *x509.Certificate {
	a.tb.Helper()
	bytes, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		a.tb.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(bytes)
	if err != nil {
		a.tb.Fatal(err)
	}
	return certificate
}

// config returns the configuration of the member of a name, whose certificate is
// good from a time to a time, counted from now.
func (a *authority) config(name string, from, to time.Duration) *tls.Config {
	a.tb.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		a.tb.Fatal(err)
	}
	leaf := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore:   time.Now().Add(from), NotAfter: time.Now().Add(to),
	}, a.certificate, public)
	roots := x509.NewCertPool()
	roots.AddCert(a.certificate)
	return &tls.Config{
		RootCAs: roots, ClientCAs: roots,
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}},
	}
}

// good returns a configuration that nothing is wrong with.
func (a *authority) good(name string) *tls.Config { return a.config(name, -time.Hour, 1000*time.Hour) }

func TestMembersWithKeysTalk(t *testing.T) {
	for _, blocked := range []bool{false, true} {
		inWorld(t, 2, func(w *world) {
			keys := newAuthority(w)
			if blocked { // so that one direction is offered
				w.block()
			}
			for i, m := range w.list {
				w.start(member.ID(i), func(c *Config) { c.TLS = keys.good(m.Name) })
			}
			w.rest(time.Second)
			w.talk(300)
			w.rest(time.Hour)
			w.nodes[0].history()
			w.cut()
			w.rest(3 * time.Second)
			w.heal()
			w.rest(1200 * time.Millisecond)
			w.talk(10)
		})
	}
}

// TestWrongKeysAreRefusedByName gives member 1 keys that member 0 must not take:
// both say why, once, and no message passes in either direction.
func TestWrongKeysAreRefusedByName(t *testing.T) {
	for name, c := range map[string]struct {
		config func(*authority, *world) *tls.Config // of member 1
		want   string                               // what both say, or one of them
	}{
		"another authority": {func(_ *authority, w *world) *tls.Config { return newAuthority(w).good("b") }, "it is of another authority"},
		"another name":      {func(a *authority, _ *world) *tls.Config { return a.good("c") }, "it is not one of"},
		"expired":           {func(a *authority, _ *world) *tls.Config { return a.config("b", -2*time.Hour, -time.Hour) }, "has expired"},
		"not yet valid":     {func(a *authority, _ *world) *tls.Config { return a.config("b", time.Hour, 2*time.Hour) }, "it is not yet valid"},
		"none":              {func(*authority, *world) *tls.Config { return nil }, "one side speaks TLS and the other does not"},
		"no certificate": {func(a *authority, _ *world) *tls.Config {
			config := a.good("b")
			config.Certificates = nil
			return config
		}, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 2, func(w *world) {
				keys := newAuthority(w)
				w.start(0, func(cfg *Config) { cfg.TLS = keys.good("a") })
				w.start(1, func(cfg *Config) { cfg.TLS = c.config(keys, w) })
				w.rest(20 * time.Second)
				w.nodes[0].say(1, 1)
				w.nodes[1].say(0, 1)
				w.rest(time.Second)
				for i, n := range w.nodes {
					if n.history() != "[]" || len(n.received()) > 0 {
						w.Fatalf("member %d has a link:\n%s", i, w.log)
					}
					if trouble := n.Stats()[0].Trouble; !strings.HasPrefix(trouble, "the link is refused: ") {
						w.Fatalf("member %d: %q", i, trouble)
					}
				}
				if trouble := w.nodes[0].Stats()[0].Trouble; !strings.Contains(trouble, c.want) {
					w.Fatalf("member 0: %q", trouble)
				}
				if told := w.log.count("dialing again until this is mended"); told != 2 {
					w.Fatalf("the dialers tell of it %d times:\n%s", told, w.log)
				}
			})
		})
	}
}

// TestConnectionsEndWithTheirCredential lets a certificate expire, and revokes
// one, while connections are open.
func TestConnectionsEndWithTheirCredential(t *testing.T) {
	t.Run("expires", func(t *testing.T) {
		inWorld(t, 2, func(w *world) {
			keys := newAuthority(w)
			w.start(0, func(c *Config) { c.TLS = keys.good("a") })
			w.start(1, func(c *Config) { c.TLS = keys.config("b", -time.Hour, time.Minute) })
			w.rest(58 * time.Second)
			w.talk(10)
			w.rest(4 * time.Second)
			w.nodes[0].say(1, 11)
			w.nodes[1].say(0, 11)
			w.rest(time.Second)
			for i, n := range w.nodes {
				if n.isUp(member.ID(1-i)) || len(n.received()) > 0 {
					w.Fatalf("member %d still has a link:\n%s", i, w.log)
				}
			}
		})
	})
	t.Run("revoked", func(t *testing.T) {
		inWorld(t, 2, func(w *world) {
			keys := newAuthority(w)
			var revoked atomic.Bool
			w.start(0, func(c *Config) {
				c.TLS = keys.good("a")
				c.TLS.VerifyConnection = func(tls.ConnectionState) error {
					if revoked.Load() {
						return errors.New("it was revoked")
					}
					return nil
				}
			})
			w.start(1, func(c *Config) { c.TLS = keys.good("b") })
			w.rest(10 * time.Second)
			w.talk(10)
			revoked.Store(true)
			w.rest(1500 * time.Millisecond)
			if w.nodes[0].isUp(1) || w.log.count("it was revoked") == 0 {
				w.Fatalf("links of member 0: %s\n%s", w.nodes[0].history(), w.log)
			}
			revoked.Store(false)
			w.rest(time.Second)
			w.talk(10)
		})
	})
}

// TestAuthoritiesChangeWithoutARestart has members exchange their keys while
// they talk.
func TestAuthoritiesChangeWithoutARestart(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		// Both members take both authorities for a while; meanwhile they get
		// other keys; then the first authority is taken no more.
		first, second := newAuthority(w), newAuthority(w)
		var phase atomic.Int64
		for i, m := range w.list {
			phases := [4]*tls.Config{first.good(m.Name), first.good(m.Name), second.good(m.Name), second.good(m.Name)}
			for _, both := range phases[1:3] {
				roots := x509.NewCertPool()
				roots.AddCert(first.certificate)
				roots.AddCert(second.certificate)
				both.RootCAs, both.ClientCAs = roots, roots
			}
			w.start(member.ID(i), func(c *Config) {
				c.TLS = phases[0].Clone()
				c.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return phases[phase.Load()], nil }
			})
		}
		for range len("123") {
			w.rest(5 * time.Second)
			w.talk(10)
			phase.Add(1)
			w.cut()
			w.rest(3 * time.Second)
			w.heal()
			w.rest(1200 * time.Millisecond)
			w.talk(10)
		}
		if w.log.count("certificate") > 0 {
			w.Fatalf("a certificate was refused on the way:\n%s", w.log)
		}
	})
}
