package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// unreachable returns why a request has no answer, in words that say what to look
// at.
func (c *Client) unreachable(err error) error {
	if about := (*url.Error)(nil); errors.As(err, &about) {
		err = about.Err // its address is told here, without what was asked
	}
	var noHost *net.DNSError
	var notTLS tls.RecordHeaderError
	var strange *tls.CertificateVerificationError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nobody listens at %s: is the member running, and is that the http=ADDR that serve printed? (%w)", c.base, err)
	case errors.As(err, &noHost) && noHost.IsNotFound:
		return fmt.Errorf("%s: there is no host %s (%w)", c.base, noHost.Name, err)
	case errors.As(err, &notTLS), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return fmt.Errorf("%s does not speak TLS: write the address with http:// (%w)", c.base, err)
	case errors.As(err, &strange):
		return fmt.Errorf("%s shows a certificate that this machine does not trust (%w)", c.base, err)
	case strings.Contains(err.Error(), "malformed HTTP"):
		return fmt.Errorf("%s does not speak HTTP: is it the address for members? The one for HTTP is what serve printed as http=ADDR (%w)", c.base, err)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("%s ends the connection without an answer: did the member end just now, or is it the address for members? The one for HTTP is what serve printed as http=ADDR (%w)", c.base, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%s does not answer: is its machine up, and the way to it open? (%w)", c.base, err)
	}
	return fmt.Errorf("%s: %w", c.base, err)
}
