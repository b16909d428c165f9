package member_test

import (
	"testing"

	"chatterbox/internal/core/member"
)

// TestLaterLivesHaveHigherIdentities, as far as clocks are right, and none is 0.
func TestLaterLivesHaveHigherIdentities(t *testing.T) {
	const now = 1796000000000 // ms since 1970, in 2026
	tests := []struct {
		begins int64
		random uint64
	}{{-5, 0}, {0, 7}, {now, 1<<64 - 1}, {now + 1, 0}, {now + 1, 1}, {4 * now, 0}}
	before := member.Identity(0)
	for _, test := range tests {
		identity := member.NewIdentity(test.begins, test.random)
		if identity <= before {
			t.Errorf("a life that begins at %d has identity %v, an earlier one %v", test.begins, identity, before)
		}
		before = identity
	}
}
