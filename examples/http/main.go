// Command http puts entries into a log that is served over HTTP, and reads it.
//
//	usage: http send ADDR KEY TEXT | http follow ADDR FROM COUNT
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// pause is how long a program waits before it tries again.
const pause = time.Second

// entry is a line of the log.
type entry struct {
	Position uint64 `json:"position"`
	Origin   string `json:"origin"`
	Seq      uint64 `json:"seq"`
	Payload  string `json:"payload,omitempty"`
	Base64   string `json:"payload_base64,omitempty"` // where the payload is no text
	Error    string `json:"error,omitempty"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	out := json.NewEncoder(os.Stdout)
	switch {
	case len(args) == 4 && args[0] == "send":
		sent, err := send(args[1], args[2], args[3])
		return errors.Join(err, out.Encode(sent))
	case len(args) == 4 && args[0] == "follow":
		from, err := strconv.ParseUint(args[2], 10, 64)
		count, err2 := strconv.ParseUint(args[3], 10, 64)
		if err = errors.Join(err, err2); err != nil {
			return err
		}
		return follow(args[1], from, count, out.Encode)
	}
	return errors.New("usage: http send ADDR KEY TEXT | http follow ADDR FROM COUNT")
}

// ask makes a request, with the token of the environment if there is one.
func ask(method, url, key, body string) (*http.Response, error) {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	if token := os.Getenv("TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return http.DefaultClient.Do(request)
}

// send puts an entry in, and returns where it is. The key makes a retry harmless,
// at the same member.
func send(addr, key, text string) (sent entry, err error) {
	for ; ; time.Sleep(pause) {
		response, err := ask(http.MethodPost, "http://"+addr+"/v1/entries?until=settled", key, text)
		if err != nil {
			continue // nobody knows whether the entry is in the log
		}
		err = json.NewDecoder(response.Body).Decode(&sent)
		_ = response.Body.Close() // it was only read
		switch {
		case err != nil:
		case response.StatusCode == http.StatusCreated:
			return sent, nil
		case response.StatusCode != http.StatusTooManyRequests && response.StatusCode != http.StatusServiceUnavailable:
			return sent, fmt.Errorf("%s answers %s: %s", addr, response.Status, sent.Error)
		}
	}
}

// follow calls each with entries from a position on, and goes on where it was
// after anything.
func follow(addr string, from, count uint64, each func(any) error) error {
	for next, end := from, from+count; next < end; {
		response, err := ask(http.MethodGet, fmt.Sprintf("http://%s/v1/entries?follow=true&from=%d&limit=%d", addr, next, end-next), "", "")
		if err == nil {
			next, err = read(response.Body, next, each)
			_ = response.Body.Close() // it was only read
		}
		if errors.Is(err, errOutput) {
			return err
		}
		if next < end {
			time.Sleep(pause)
		}
	}
	return nil
}

var errOutput = errors.New("the output is closed")

// read reads lines, and returns the position after the last whole one.
func read(body io.Reader, next uint64, each func(any) error) (uint64, error) {
	for lines := bufio.NewReader(body); ; {
		line, err := lines.ReadBytes('\n')
		var e entry
		if err != nil || json.Unmarshal(line, &e) != nil || e.Error != "" {
			return next, err // the last line may not be whole, or says why there is no more
		}
		if err := each(e); err != nil {
			return next, errors.Join(errOutput, err)
		}
		next = e.Position + 1
	}
}
