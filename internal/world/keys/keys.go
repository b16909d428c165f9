// Package keys makes and reads what members prove themselves with.
//
// [Make] puts into one folder all that a cluster needs: a secret, the authority
// that follows from it, byte for byte the same wherever it is derived, and a
// certificate with its key for each member. A member needs the authority and
// its own two files; [Load] makes the configuration of TLS of them, which
// follows the files when they change. The secret makes members, so it belongs
// where none runs.
//
// It may use the disk. Start reading at [Make].
package keys

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"chatterbox/internal/core/member"
)

const (
	secretBytes = 32
	secretFile  = "secret"
	caFile      = "ca.pem"
	revokedFile = "revoked"

	privateMode = 0o600
	publicMode  = 0o644
	folderMode  = 0o700

	// derivation names what is derived from the secret, and how.
	derivation = "chatterbox authority, version 1"
	// skewMax is how far a member's clock may be behind that of who made its
	// certificate.
	skewMax = time.Hour

	pemCertificate = "CERTIFICATE"
	pemKey         = "PRIVATE KEY"
)

// Config says what to make.
type Config struct {
	Folder  string
	Members member.List
	// ValidFor is how long certificates are good from now on.
	ValidFor time.Duration
	// Renew makes certificates anew where there are some.
	Renew bool
	Now   time.Time
}

// Made is what Make has done.
type Made struct {
	Secret  bool     // it was drawn; else it was there
	Members []string // who got a certificate; the others had one
}

// Make makes what is missing in the folder.
func Make(cfg Config) (Made, error) {
	var made Made
	if err := os.MkdirAll(cfg.Folder, folderMode); err != nil {
		return made, fmt.Errorf("keys: %w", err)
	}
	secret, drawn, err := takeSecret(filepath.Join(cfg.Folder, secretFile))
	if err != nil {
		return made, err
	}
	made.Secret = drawn
	ca, err := newAuthority(secret)
	if err != nil {
		return made, err
	}
	if err := write(filepath.Join(cfg.Folder, caFile), publicMode, pemCertificate, ca.certificate.Raw); err != nil {
		return made, err
	}
	for _, m := range cfg.Members {
		certificate, key := files(cfg.Folder, m.Name)
		if exists(certificate) && exists(key) && !cfg.Renew {
			continue
		}
		if err := ca.issue(m.Name, certificate, key, cfg.Now, cfg.ValidFor); err != nil {
			return made, err
		}
		made.Members = append(made.Members, m.Name)
	}
	return made, nil
}

// files returns the paths of a member's certificate and key. A name may have
// characters that a file name may not.
func files(folder, name string) (certificate, key string) {
	base := filepath.Join(folder, "member-"+url.PathEscape(name))
	return base + ".pem", base + ".key"
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// takeSecret reads the secret, or draws one if there is none.
func takeSecret(path string) (secret []byte, drawn bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		secret = make([]byte, secretBytes)
		rand.Read(secret) // never fails
		return secret, true, writeFile(path, privateMode, []byte(hex.EncodeToString(secret)+"\n"))
	}
	if err != nil {
		return nil, false, fmt.Errorf("keys: %w", err)
	}
	secret, err = hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) != secretBytes {
		return nil, false, fmt.Errorf("keys: %s: a secret is %d hexadecimal digits on a line", path, 2*secretBytes)
	}
	return secret, false, nil
}

// authority signs the members' certificates.
type authority struct {
	certificate *x509.Certificate
	key         ed25519.PrivateKey
}

// newAuthority derives the authority from a secret (HKDF, RFC 5869, with
// SHA-256). Nothing of it depends on time or chance, and Ed25519 signs the same
// bytes in the same way, so that the certificate is the same everywhere.
func newAuthority(secret []byte) (*authority, error) {
	seed, err := hkdf.Key(sha256.New, secret, nil, derivation, ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("keys: derive the authority: %w", err)
	}
	key := ed25519.NewKeyFromSeed(seed)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "chatterbox authority"},
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:  time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // no end (RFC 5280, 4.1.2.5)
		IsCA:      true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	certificate, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &authority{certificate, key}, nil
}

func sign(template, parent *x509.Certificate, public any, key ed25519.PrivateKey) (*x509.Certificate, error) {
	bytes, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("keys: make a certificate: %w", err)
	}
	return x509.ParseCertificate(bytes)
}

// issue makes a certificate for a member and writes it with its key, which
// nothing else knows.
func (a *authority) issue(name, certificatePath, keyPath string, now time.Time, validFor time.Duration) error {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("keys: draw a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return fmt.Errorf("keys: draw a number: %w", err)
	}
	leaf, err := sign(&x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(2)), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-skewMax), NotAfter: now.Add(validFor), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.certificate, public, a.key)
	if err != nil {
		return err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("keys: encode a key: %w", err)
	}
	if err := write(keyPath, privateMode, pemKey, encoded); err != nil {
		return err
	}
	return write(certificatePath, publicMode, pemCertificate, leaf.Raw)
}

func write(path string, mode os.FileMode, kind string, bytes []byte) error {
	return writeFile(path, mode, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}))
}

// writeFile replaces a file at once, so that who reads it finds all or nothing.
func writeFile(path string, mode os.FileMode, bytes []byte) error {
	next := path + ".new"
	err := os.WriteFile(next, bytes, mode)
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}
