package dashboard

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
)

// newToken draws what a page must have to change anything: 128 random bits.
func newToken() string {
	bits := make([]byte, 16)
	_, _ = rand.Read(bits) // never fails
	return base64.RawURLEncoding.EncodeToString(bits)
}

func isLoopback(address net.Addr) bool {
	parsed, err := netip.ParseAddrPort(address.String())
	return err == nil && parsed.Addr().Unmap().IsLoopback()
}

// hostAllowed reports whether a request names the host as this machine's users
// do. A page elsewhere that lets its own name point here is kept out by it.
func (d *Dashboard) hostAllowed(host string) bool {
	if !isLoopback(d.listener.Addr()) {
		return true
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	parsed, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return strings.EqualFold(name, "localhost") || err == nil && parsed.Unmap().IsLoopback()
}

// allowed reports whether who asked may look, also while a page stays open: what
// he showed may be good no more.
func (d *Dashboard) allowed(r *http.Request) bool {
	return d.config.Allowed == nil || d.config.Allowed(r)
}

// cookieName is another one for each port: cookies know no ports.
func (d *Dashboard) cookieName() string {
	_, port, _ := net.SplitHostPort(d.listener.Addr().String())
	return "chatterbox-" + port
}

// mayAct reports whether a request comes from a page that was opened with the
// token, and not from another one in the same browser.
func (d *Dashboard) mayAct(r *http.Request) bool {
	cookie, err := r.Cookie(d.cookieName())
	if d.token == "" || err != nil || subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(d.token)) != 1 {
		return false
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
		return false
	}
	return r.Header.Get(actHeader) != "" // no form and no plain request of another page can set it
}

// actHeader must be there in what changes a run.
const actHeader = "Chatterbox-Act"

// withToken takes the token out of the path: a page that is opened with it
// gets it as a cookie.
func (d *Dashboard) withToken(w http.ResponseWriter, r *http.Request) (done bool) {
	if d.token == "" {
		return false
	}
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if subtle.ConstantTimeCompare([]byte(first), []byte(d.token)) != 1 {
		return false
	}
	if rest != "" {
		r.URL.Path = "/" + rest
		return false
	}
	http.SetCookie(w, &http.Cookie{Name: d.cookieName(), Value: d.token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode}) //nolint:gosec // not Secure: the page is on loopback, without TLS
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return true
}

// limited returns a listener that closes connections beyond a number at once,
// so that the others are served.
func limited(inner net.Listener, most int) net.Listener {
	return &limitedListener{Listener: inner, slots: make(chan struct{}, most)}
}

type limitedListener struct {
	net.Listener
	slots chan struct{}
}

// Accept accepts the next connection for which there is room.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.slots <- struct{}{}:
			return &limitedConn{Conn: conn, free: sync.OnceFunc(func() { <-l.slots })}, nil
		default:
			_ = conn.Close()
		}
	}
}

type limitedConn struct {
	net.Conn
	free func()
}

// Close makes room for another connection.
func (c *limitedConn) Close() error {
	defer c.free()
	return c.Conn.Close()
}
