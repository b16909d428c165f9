// Package client is the other end of package serve: it sends entries to a member
// over HTTP, reads the log, and asks how the member is.
package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"chatterbox"
	"chatterbox/internal/serve"
)

// lineBytesMax is the longest line that is read.
const lineBytesMax = 8 * chatterbox.MaxPayload

// Client talks to one member.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// New returns a client for an address: host:port, or a URL. The token may be
// empty.
func New(address, token string) (*Client, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("%q is no address: write it as host:port or http://host:port", address)
	}
	return &Client{base: strings.TrimSuffix(base.String(), "/"), token: token, http: &http.Client{}}, nil
}

// request makes a request, and turns any status but those below 300 into an
// error that says what the member said.
func (c *Client) request(ctx context.Context, method, path, kind string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if response.StatusCode < http.StatusMultipleChoices {
		return response, nil
	}
	defer response.Body.Close() //nolint:errcheck // only read
	text, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(text, &said) != nil || said.Error == "" {
		said.Error = strings.TrimSpace(string(text))
	}
	return nil, &Refusal{From: c.base, Status: response.Status, Text: said.Error, code: response.StatusCode}
}

// Refusal is what a member answers to a request that it does not fulfil.
type Refusal struct {
	From   string // the member's address
	Status string // of HTTP, such as "409 Conflict"
	Text   string // why
	code   int
}

// Error returns who answers what.
func (r *Refusal) Error() string { return fmt.Sprintf("%s answers %s: %s", r.From, r.Status, r.Text) }

// IsConflict reports whether what was asked for cannot be done as things are.
func (r *Refusal) IsConflict() bool { return r.code == http.StatusConflict }

// ask makes a request whose answer is a JSON object, and reads that.
func (c *Client) ask(ctx context.Context, method, path string, body io.Reader, answer any) error {
	kind := ""
	if body != nil {
		kind = "application/json"
	}
	response, err := c.request(ctx, method, path, kind, body)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return fmt.Errorf("%s: the answer to %s cannot be read: %w", c.base, path, err)
	}
	return nil
}

// Members asks who belongs to the cluster.
func (c *Client) Members(ctx context.Context) (members serve.Membership, err error) {
	err = c.ask(ctx, http.MethodGet, "/v1/members", nil, &members)
	return members, err
}

// Change has the members change. The answer says whether that is decided already;
// a [Refusal] that is a conflict says that it cannot be.
func (c *Client) Change(ctx context.Context, request serve.ChangeRequest) (answer serve.Changed, err error) {
	body, err := json.Marshal(request)
	if err == nil {
		err = c.ask(ctx, http.MethodPost, "/v1/members", bytes.NewReader(body), &answer)
	}
	return answer, err
}

// Status asks how the member is.
func (c *Client) Status(ctx context.Context) (status serve.Status, err error) {
	err = c.ask(ctx, http.MethodGet, "/v1/status", nil, &status)
	return status, err
}

// Send sends payloads, each as one entry, as next returns them until it returns
// nil, and calls accepted with the ID of each in their order. The error says
// that not all were accepted.
func (c *Client) Send(ctx context.Context, next func() ([]byte, error), accepted func(chatterbox.ID)) error {
	for number := 1; ; number++ {
		payload, err := next()
		if err != nil || payload == nil {
			return err
		}
		id, err := c.sendOne(ctx, payload)
		if err != nil {
			return fmt.Errorf("entry %d was not accepted: %w", number, err)
		}
		accepted(id)
	}
}

func (c *Client) sendOne(ctx context.Context, payload []byte) (chatterbox.ID, error) {
	response, err := c.request(ctx, http.MethodPost, "/v1/entries", "application/octet-stream", bytes.NewReader(payload))
	if err != nil {
		return chatterbox.ID{}, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	var got line
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		return chatterbox.ID{}, fmt.Errorf("the answer cannot be read: %w", err)
	}
	return got.id(), nil
}

// Lines sends what in has as JSON lines, one string each, in one request, and
// calls accepted with the ID of each.
func (c *Client) Lines(ctx context.Context, in io.Reader, accepted func(chatterbox.ID)) error {
	response, err := c.request(ctx, http.MethodPost, "/v1/entries", "application/x-ndjson", in)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	return eachLine(response.Body, func(l *line, _ []byte) bool {
		accepted(l.id())
		return true
	})
}

// line is a line of an answer: an entry, a receipt or an error.
type line struct {
	Position      chatterbox.Position `json:"position"`
	Origin        string              `json:"origin"`
	Life          uint64              `json:"life"`
	Seq           uint64              `json:"seq"`
	Time          uint64              `json:"time"`
	Key           string              `json:"key"`
	Payload       *string             `json:"payload"`
	PayloadBase64 string              `json:"payload_base64"`
	Error         string              `json:"error"`
}

func (l *line) id() chatterbox.ID {
	return chatterbox.ID{Origin: l.Origin, Life: max(l.Life, 1), Seq: l.Seq}
}

// Read says which part of the log is wanted.
type Read struct {
	From      uint64 // the first position; 0 is 1
	Follow    bool
	Tentative bool
}

// Entries calls visit for each entry with its JSON until it returns false. The
// error says why there are no more, if that is not what was asked for.
func (c *Client) Entries(ctx context.Context, read Read, visit func(e *chatterbox.Entry, text []byte) bool) error {
	query := url.Values{}
	query.Set("from", strconv.FormatUint(read.From, 10))
	query.Set("follow", strconv.FormatBool(read.Follow))
	query.Set("tentative", strconv.FormatBool(read.Tentative))
	return c.entries(ctx, "/v1/entries?"+query.Encode(), visit)
}

// Orphans calls visit for each entry that the member has of one that was evicted
// and that will never settle, like Entries.
func (c *Client) Orphans(ctx context.Context, name string, visit func(e *chatterbox.Entry, text []byte) bool) error {
	return c.entries(ctx, "/v1/orphans?"+url.Values{"name": {name}}.Encode(), visit)
}

func (c *Client) entries(ctx context.Context, path string, visit func(e *chatterbox.Entry, text []byte) bool) error {
	response, err := c.request(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	var wrong error
	err = eachLine(response.Body, func(l *line, text []byte) bool {
		e := chatterbox.Entry{Position: l.Position, ID: l.id(), Key: l.Key, Lamport: l.Time}
		if l.Payload != nil {
			e.Payload = []byte(*l.Payload)
		} else if e.Payload, wrong = base64.StdEncoding.DecodeString(l.PayloadBase64); wrong != nil {
			return false
		}
		return visit(&e, text)
	})
	return errors.Join(wrong, err)
}

// eachLine visits the lines of an answer. A line with an error ends it.
func eachLine(body io.Reader, visit func(l *line, text []byte) bool) error {
	in := bufio.NewScanner(body)
	in.Buffer(make([]byte, 0, 64<<10), lineBytesMax)
	for in.Scan() {
		var l line
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			return fmt.Errorf("the answer cannot be read: %w", err)
		}
		if l.Error != "" {
			return errors.New(l.Error)
		}
		if !visit(&l, in.Bytes()) {
			return nil
		}
	}
	return in.Err()
}
