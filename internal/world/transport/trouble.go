package transport

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"

	"chatterbox/internal/world/wire"
)

// explain returns in words why an attempt brought no link. The text names neither
// the peer nor its address, so that it is the same for all that are gone alike.
func explain(err error) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, wire.ErrMalformed):
		return "what answers at the address is no member"
	case errors.Is(err, errRefused):
		return err.Error()
	case errors.Is(err, errUnanswered):
		return "the address accepts connections, but nobody answers there: a process that is stopped, or another program?"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "this member has no file descriptor left to dial with: raise the limit (ulimit -n)"
	case errors.As(err, &dns):
		return explainLookup(dns)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens at the address"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no route to the address"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this machine has no local port left for the connection"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return "the address does not answer"
	default:
		return "the address cannot be dialed: " + innermost(err).Error()
	}
}

func explainLookup(err *net.DNSError) string {
	switch {
	case err.IsTimeout:
		return "the host name was not looked up in time: the name server does not answer"
	case err.IsNotFound:
		return "the host name is not known"
	default:
		return "the host name cannot be looked up: " + err.Err
	}
}

// innermost returns the last error of a chain, which names no address.
func innermost(err error) error {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err
}
