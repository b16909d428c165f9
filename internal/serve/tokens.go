package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// right is what a caller may do.
type right int

const (
	mayAsk   right = iota // whether the member is alive
	mayRead               // the log and the status
	mayWrite              // entries, and everything else
)

// Tokens are the bearer tokens of a file, as it has them now: it is looked at
// once a second while somebody asks. What cannot be read changes nothing. Nil is
// no file: nobody needs a token.
type Tokens struct {
	path string

	mu       sync.Mutex // guards all below
	known    tokens
	wrong    error // why the file counts no more as it is; nil: it does
	looked   time.Time
	modified time.Time
	size     int64
}

// tokens are bearer tokens by their hashes, and what each allows.
type tokens map[[sha256.Size]byte]right

// rereadEvery is how often it is looked whether the file has changed, and whether
// the tokens of requests that last are still good.
const rereadEvery = time.Second

const (
	// forOthers are the permissions that a file of tokens must not have: its
	// group may read it, as where a cluster manager mounts it.
	forOthers         = 0o037
	tokenBytesMin     = 16
	tokenFileBytesMax = 64 << 10
)

// ReadTokens reads a file of tokens, a line each: "write TOKEN" or "read
// TOKEN"; a line with nothing but a token is one that may write. Empty lines and
// those that begin with # are left out. A token has at least 16 characters, none
// of them blank.
func ReadTokens(path string) (*Tokens, error) {
	t := &Tokens{path: path}
	if _, err := t.now(); err != nil {
		return nil, err
	}
	return t, nil
}

// now returns the tokens as the file has them. With an error they are those
// before, if there were any.
func (t *Tokens) now() (tokens, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.looked) < rereadEvery {
		return t.known, t.wrong
	}
	t.looked = time.Now()
	info, err := os.Stat(t.path)
	if err == nil && t.known != nil && t.wrong == nil && info.ModTime().Equal(t.modified) && info.Size() == t.size {
		return t.known, nil
	}
	var fresh tokens
	if err == nil {
		fresh, err = readTokens(t.path, info)
	}
	if t.wrong = err; err == nil {
		t.known, t.modified, t.size = fresh, info.ModTime(), info.Size()
	}
	return t.known, err
}

func readTokens(path string, info fs.FileInfo) (tokens, error) {
	if info.Size() > tokenFileBytesMax {
		return nil, fmt.Errorf("%s: a file of tokens has at most %d bytes, this one has %d", path, tokenFileBytesMax, info.Size())
	}
	if info.Mode().Perm()&forOthers != 0 {
		return nil, fmt.Errorf("%s: others can read it: chmod 600 %s", path, path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	known := tokens{}
	for i, line := range strings.Split(string(data), "\n") {
		if err := known.add(line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
	}
	if len(known) == 0 {
		return nil, fmt.Errorf("%s: there is no token in it: write a line such as \"write TOKEN\"", path)
	}
	return known, nil
}

func (t tokens) add(line string) error {
	words := strings.Fields(line)
	if len(words) == 0 || strings.HasPrefix(words[0], "#") {
		return nil
	}
	need := mayWrite
	if len(words) == 2 {
		switch words[0] {
		case "read":
			need = mayRead
		case "write":
		default:
			return fmt.Errorf("%q: a token may read or write", words[0])
		}
		words = words[1:]
	}
	switch {
	case len(words) != 1:
		return errors.New("a line is \"read TOKEN\" or \"write TOKEN\"")
	case len(words[0]) < tokenBytesMin:
		return fmt.Errorf("a token has at least %d characters, this one has %d", tokenBytesMin, len(words[0]))
	}
	t[sha256.Sum256([]byte(words[0]))] = need
	return nil
}

// MayRead reports whether a request shows a token, any of them: as a bearer, or
// as the password of basic authentication, which browsers ask for.
func (t *Tokens) MayRead(r *http.Request) bool {
	authorization := r.Header.Get("Authorization")
	if _, password, ok := r.BasicAuth(); ok {
		authorization = "Bearer " + password
	}
	status, _ := t.refusal(authorization, mayRead)
	return status == 0
}

// refusal returns with which status a request with this header is refused; 0 if
// it is not. All tokens are compared, in time that does not depend on them.
func (t *Tokens) refusal(authorization string, need right) (status int, reason string) {
	scheme, token, _ := strings.Cut(authorization, " ")
	bearer := strings.EqualFold(scheme, "Bearer") // RFC 9110, 11.1
	shown := sha256.Sum256([]byte(token))
	has := mayAsk
	known, _ := t.now() // what is wrong with the file is told by who watches
	for known, right := range known {
		if subtle.ConstantTimeCompare(known[:], shown[:]) == 1 {
			has = right
		}
	}
	switch {
	case !bearer:
		return http.StatusUnauthorized, "a token is needed: send the header \"Authorization: Bearer TOKEN\""
	case has == mayAsk:
		return http.StatusUnauthorized, "this token is not known here"
	case has < need:
		return http.StatusForbidden, "this token may only read"
	}
	return 0, ""
}
