package backup

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"chatterbox"
	"chatterbox/internal/core/member"
	"chatterbox/internal/serve/client"
)

// Member is the log of a member that serves HTTP.
type Member struct {
	client *client.Client
	about  About
}

// OpenMember asks a member how far its log goes.
func OpenMember(ctx context.Context, name string, from *client.Client) (*Member, error) {
	status, err := from.Status(ctx)
	if err != nil {
		return nil, err
	}
	m := &Member{client: from, about: About{Name: name, Oldest: uint64(status.Oldest), Settled: uint64(status.Settled)}}
	for i := range status.Members {
		m.about.Members = append(m.about.Members, status.Members[i].Name)
		m.about.Have = append(m.about.Have, status.Members[i].Entries)
	}
	return m, nil
}

// About returns what it was when it was asked.
func (m *Member) About() About { return m.about }

// Close does nothing.
func (m *Member) Close() error { return nil }

// Entries reads over HTTP.
func (m *Member) Entries(ctx context.Context, from, to uint64) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		var wrong error
		var last uint64
		more := true
		err := m.client.Entries(ctx, client.Read{From: from}, func(e *chatterbox.Entry, _ []byte) bool {
			place := slices.Index(m.about.Members, e.ID.Origin)
			if place < 0 {
				wrong = fmt.Errorf("position %d is of %s, which is no member", e.Position, e.ID.Origin)
				return false
			}
			last = uint64(e.Position)
			more = yield(&Entry{
				Position: last, Origin: member.ID(place), Seq: e.ID.Seq, Time: e.Lamport, Key: e.Key, Payload: e.Payload,
			}, nil)
			return more && last < to
		})
		switch {
		case !more:
		case wrong != nil:
			yield(nil, wrong)
		case err != nil:
			yield(nil, err)
		case last < to:
			yield(nil, fmt.Errorf("the log ended after position %d, %d was wanted", last, to))
		}
	}
}
