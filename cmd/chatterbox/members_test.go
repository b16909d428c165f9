package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"chatterbox/internal/serve"
)

// TestMembersTellsWhatBecameOfAChange by its exit status: 0 if it is decided, 2 if it is
// not, and may still come, and 3 if it is refused.
func TestMembersTellsWhatBecameOfAChange(t *testing.T) {
	for name, c := range map[string]struct {
		status int // of the answer of the member that is asked
		answer serve.Changed
		want   int
		says   string
	}{
		"decided":   {http.StatusOK, serve.Changed{Decided: true}, 0, ""},
		"undecided": {http.StatusAccepted, serve.Changed{}, 2, "it may still come: chatterbox members --http"},
		"refused":   {http.StatusConflict, serve.Changed{}, 3, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			member := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost {
					_ = json.NewEncoder(w).Encode(serve.Membership{Members: []serve.Member{{Name: "c"}}})
					return
				}
				asked.Add(1)
				w.WriteHeader(c.status)
				_ = json.NewEncoder(w).Encode(c.answer)
			}))
			defer member.Close()
			r := start(t, t.TempDir(), "members", "evict", "c", "--wait", "0", "--http", strings.TrimPrefix(member.URL, "http://"))
			_ = r.Wait() // the status tells
			if got := r.ProcessState.ExitCode(); got != c.want || asked.Load() != 1 || !strings.Contains(r.stderr.String(), c.says) {
				t.Errorf("status %d after %d requests, want %d; it says\n%s%s", got, asked.Load(), c.want, r.stdout.String(), r.stderr.String())
			}
		})
	}
}
