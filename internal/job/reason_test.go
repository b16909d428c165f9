package job

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestFewMissingMembersAreToldOneByOne(t *testing.T) {
	lines := tell([]reason{
		{name: "b", what: "was never heard of", trouble: "nobody listens at the address"},
		{name: "c", what: "is silent", silent: 3210 * time.Millisecond, counted: true, entries: 7},
		{name: "a", self: true, what: "its own stream could not be closed in time"},
	})
	want := `b: was never heard of; nobody listens at the address
c: silent for 3.2s; 7 entries of it are held
a (this member): its own stream could not be closed in time`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestManyMissingMembersAreASentenceForEachReason(t *testing.T) {
	var reasons []reason
	for i := range 4095 {
		r := reason{name: fmt.Sprintf("m%d", i), what: "was never heard of", trouble: "nobody listens at the address"}
		switch i {
		case 1, 2:
			r.trouble = "the host name is not known"
		case 3:
			r = reason{name: "m3", self: true, what: "its own stream could not be closed in time"}
		case 4, 5, 6:
			r.what, r.trouble, r.counted, r.entries = "is silent", "", true, uint64(i)
			r.silent = time.Duration(i) * time.Second
		}
		reasons = append(reasons, r)
	}
	want := `m0, m7, m8, m9, m10 and 4084 more: were never heard of; nobody listens at the address
m1 and m2: were never heard of; the host name is not known
m3 (this member): its own stream could not be closed in time
m4, m5 and m6: are silent; 15 entries of them are held`
	if got := strings.Join(tell(reasons), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
