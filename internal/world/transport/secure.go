package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"
)

// credentialEvery is how often it is looked whether the certificates of open
// connections are still good.
const credentialEvery = time.Second

// protocolOfTLS is what both sides name in the handshake of TLS (RFC 7301), so
// that no connection meant for another service is taken for a member's.
const protocolOfTLS = "chatterbox"

// Why there is no secure connection, in the chain of errors; each is for the
// operator to mend.
var (
	errCredential = errors.New("the certificate is refused")
	errPlain      = errors.New("one side speaks TLS and the other does not: give all members keys, or none")
)

// security makes TLS 1.3 of connections. The zero value leaves them as they are.
type security struct {
	client, server *tls.Config
	// now returns the configuration that the user has at present; nil: it stays.
	now func(*tls.ClientHelloInfo) (*tls.Config, error)
}

// newSecurity completes what the user gave: both sides show a certificate, and
// nothing is resumed, so that each connection has checked it.
func newSecurity(given *tls.Config) security {
	if given == nil {
		return security{}
	}
	s := security{client: hardened(given), server: hardened(given), now: given.GetConfigForClient}
	if s.now != nil {
		s.server.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			fresh, err := s.now(hello)
			if err != nil || fresh == nil {
				return nil, err // nil: as the server was made
			}
			return hardened(fresh), nil
		}
	}
	return s
}

// hardened returns a configuration of the user's with all that must be so.
func hardened(given *tls.Config) *tls.Config {
	config := given.Clone()
	config.MinVersion, config.NextProtos = tls.VersionTLS13, []string{protocolOfTLS}
	config.SessionTicketsDisabled, config.ClientSessionCache = true, nil
	config.ClientAuth = tls.RequireAndVerifyClientCert // of a server
	return config
}

// dialed secures a connection to the member of a name.
func (s security) dialed(conn net.Conn, name string) (net.Conn, error) {
	if s.client == nil {
		return conn, nil
	}
	config := s.client.Clone()
	if s.now != nil {
		fresh, err := s.now(&tls.ClientHelloInfo{ServerName: name})
		if err != nil {
			return nil, err
		}
		if fresh != nil {
			config = hardened(fresh)
		}
	}
	config.ServerName = name
	secure := tls.Client(conn, config)
	if err := secure.Handshake(); err != nil {
		return nil, err
	}
	return secure, nil
}

// accepted secures a connection of somebody who has not said yet who he is.
func (s security) accepted(conn net.Conn) (net.Conn, error) {
	if s.server == nil {
		return conn, nil
	}
	secure := tls.Server(conn, s.server)
	if err := secure.Handshake(); err != nil {
		return conn, explainTLS(err)
	}
	return secure, nil
}

// isOf says, as an error, that the certificate of a connection is not one of
// the member of a name.
func (s security) isOf(conn net.Conn, name string) error {
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return nil
	}
	if err := secure.ConnectionState().PeerCertificates[0].VerifyHostname(name); err != nil {
		return fmt.Errorf("%w: it is not one of member %s", errCredential, name)
	}
	return nil
}

// isGood says, as an error, that a certificate which was good when the
// connection was made is good no more: its time is over, or the user's own
// check, which may know what was revoked, refuses it.
func (s security) isGood(conn net.Conn) error {
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return nil
	}
	now, state := time.Now(), secure.ConnectionState()
	if s.client.Time != nil {
		now = s.client.Time()
	}
	for _, chain := range state.VerifiedChains[:min(1, len(state.VerifiedChains))] {
		for _, certificate := range chain {
			if now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) {
				return fmt.Errorf("%w: its time is over: it was good from %s to %s", errCredential,
					certificate.NotBefore.Format(time.RFC3339), certificate.NotAfter.Format(time.RFC3339))
			}
		}
	}
	if s.client.VerifyConnection == nil {
		return nil
	}
	if err := s.client.VerifyConnection(state); err != nil {
		return fmt.Errorf("%w: %w", errCredential, err)
	}
	return nil
}

// isTLS reports whether bytes that are no frame begin a handshake of TLS (RFC 8446,
// 5.1: a record of type 22, version 3.x).
func isTLS(bytes []byte) bool { return len(bytes) >= 2 && bytes[0] == 22 && bytes[1] == 3 }

// explainTLS returns in words why a handshake failed.
func explainTLS(err error) error {
	var record tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var hostname x509.HostnameError
	var remote *net.OpError
	switch {
	case errors.As(err, &record):
		return errPlain
	case errors.As(err, &authority):
		return fmt.Errorf("%w: it is of another authority: make all keys from one secret", errCredential)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("%w: it is not yet valid or has expired: make new keys, and look at the clocks", errCredential)
	case errors.As(err, &hostname):
		return fmt.Errorf("%w: it is not one of the member that was meant", errCredential)
	case errors.As(err, &remote) && remote.Op == "remote error":
		return fmt.Errorf("%w, that of this member by the other side: %w", errCredential, remote.Err)
	default:
		return err
	}
}

// unanswered returns why a handshake came to nothing: for a reason that somebody
// has to mend, or because there was no answer.
func unanswered(what string, err error) error {
	if err = explainTLS(err); errors.Is(err, errCredential) || errors.Is(err, errPlain) {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	return fmt.Errorf("%w: %s: %w", errUnanswered, what, err)
}
