package keys

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// rereadEvery is how often it is looked whether a file has changed.
const rereadEvery = time.Second

// Load reads the files of a member and gives the configuration of TLS for its
// links. All of them are followed without a restart: a certificate that was
// renewed is shown, and the authorities that the file has now are taken, from the
// next connection on; one whose number is written into the file "revoked" is
// refused, and so is one of an authority that was taken out, on open connections
// too.
func Load(folder, name string) (*tls.Config, error) {
	l := &loaded{folder: folder}
	l.certificate, l.key = files(folder, name)
	roots, err := l.authorities()
	if err != nil {
		return nil, err
	}
	shown, err := l.shown()
	if err != nil {
		return nil, err
	}
	if err := check(shown.Leaf, name, roots); err != nil {
		return nil, fmt.Errorf("keys: %s: %w", l.certificate, err)
	}
	config := l.config(roots)
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		roots, err := l.authorities()
		return l.config(roots), err
	}
	return config, nil
}

func (l *loaded) config(roots *x509.CertPool) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: roots, ClientCAs: roots,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return l.shown() },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return l.shown() },
		VerifyConnection:     l.verify,
	}
}

// authorities returns the authorities as the file has them now. While that
// cannot be read the last ones go on.
func (l *loaded) authorities() (*x509.CertPool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.readAuthorities()
}

func (l *loaded) readAuthorities() (*x509.CertPool, error) {
	path := filepath.Join(l.folder, caFile)
	changed, err := l.rootsAt.changed(path)
	if changed {
		var text []byte
		if text, err = os.ReadFile(path); err == nil {
			roots := x509.NewCertPool()
			if roots.AppendCertsFromPEM(text) {
				l.exchanged = l.exchanged || l.roots != nil
				l.roots = roots
			} else {
				err = fmt.Errorf("%s has no certificate", path)
			}
		}
		if err != nil {
			l.rootsAt = stamp{} // it is being written: once more
		}
	}
	if l.roots == nil {
		return nil, fmt.Errorf("keys: %w; make keys with `chatterbox keys %s`", err, l.folder)
	}
	return l.roots, nil
}

// check returns what is wrong with the own certificate.
func check(leaf *x509.Certificate, name string, roots *x509.CertPool) error {
	if err := leaf.VerifyHostname(name); err != nil {
		return fmt.Errorf("it is not one of member %s", name)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return fmt.Errorf("it is good from %s to %s only: make a new one with `chatterbox keys --renew`, or set the clock",
			leaf.NotBefore.Format(time.RFC3339), leaf.NotAfter.Format(time.RFC3339))
	}
	return err
}

// loaded is what was read of a folder, and when.
type loaded struct {
	folder, certificate, key string

	mu        sync.Mutex // guards all below
	pair      *tls.Certificate
	pairAt    stamp
	roots     *x509.CertPool
	rootsAt   stamp
	exchanged bool            // the authorities are not the first ones
	revoked   map[string]bool // numbers of certificates, hexadecimal
	listAt    stamp
}

// stamp tells whether a file has changed.
type stamp struct {
	looked   time.Time
	modified time.Time
	size     int64
}

// changed reports whether a file should be read again; it looks not too often.
func (s *stamp) changed(path string) (bool, error) {
	if time.Since(s.looked) < rereadEvery {
		return false, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	s.looked = time.Now()
	if info.ModTime().Equal(s.modified) && info.Size() == s.size {
		return false, nil
	}
	s.modified, s.size = info.ModTime(), info.Size()
	return true, nil
}

// shown returns the member's certificate as the file has it now. While that
// cannot be read the last one goes on.
func (l *loaded) shown() (*tls.Certificate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed, err := l.pairAt.changed(l.certificate)
	if changed {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(l.certificate, l.key); err == nil {
			l.pair = &pair
		} else {
			l.pairAt = stamp{} // it is being written: once more
		}
	}
	if l.pair == nil {
		return nil, fmt.Errorf("keys: %w; make them with `chatterbox keys %s`", err, l.folder)
	}
	return l.pair, nil
}

// verify refuses certificates that were revoked, and those of authorities that
// were taken out since the connection was made.
func (l *loaded) verify(state tls.ConnectionState) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.readRevoked(); err != nil {
		return err
	}
	for _, certificate := range state.PeerCertificates {
		if l.revoked[certificate.SerialNumber.Text(16)] {
			return fmt.Errorf("keys: the certificate with number %s was revoked", certificate.SerialNumber.Text(16))
		}
	}
	roots, err := l.readAuthorities()
	if err == nil && l.exchanged && len(state.PeerCertificates) > 0 {
		_, err = state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	}
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

// readRevoked reads the list again if it has changed. A list that is there and
// cannot be read lets nobody in.
func (l *loaded) readRevoked() error {
	path := filepath.Join(l.folder, revokedFile)
	changed, err := l.listAt.changed(path)
	if errors.Is(err, fs.ErrNotExist) {
		l.revoked, l.listAt = nil, stamp{looked: time.Now()}
		return nil
	}
	if err == nil && changed {
		l.revoked, err = numbers(path)
	}
	if err != nil {
		l.listAt = stamp{}
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

// numbers reads a list of numbers of certificates, hexadecimal, one a line; what
// follows a # is for people.
func numbers(path string) (map[string]bool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	found := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		number, _, _ := strings.Cut(line, "#")
		if number = strings.ToLower(strings.TrimSpace(number)); number != "" {
			found[strings.TrimLeft(number, "0")] = true
		}
	}
	return found, nil
}

// Revoke adds the certificate that a member has in the folder to the list of
// those that are refused, and returns its number. The list counts at members
// that have it.
func Revoke(folder, name string) (number string, err error) {
	certificate, key := files(folder, name)
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	number = pair.Leaf.SerialNumber.Text(16)
	path := filepath.Join(folder, revokedFile)
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("keys: %w", err)
	}
	if err := writeFile(path, publicMode, fmt.Appendf(text, "%s # %s\n", number, name)); err != nil {
		return "", err
	}
	return number, errors.Join(os.Remove(certificate), os.Remove(key))
}
