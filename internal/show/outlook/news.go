package outlook

import (
	"slices"

	"chatterbox"
	"chatterbox/internal/core/member"
)

// news is since when each member is known to lack what another one promised.
type news struct {
	promises [][]promise // of each member, rising
}

// promise is that at some moment an origin was known to have promised that no
// other entry of it will have such a logical time.
type promise struct {
	at    int64
	until uint64
}

// promisesKept is how many promises of a member are remembered; of more, every
// other one is, so that ages are a little too young.
const promisesKept = 512

func newNews(members int) news { return news{promises: make([][]promise, members)} }

// look notes what is promised by now.
func (n *news) look(at int64, s *chatterbox.Status) {
	for of := range s.Members {
		most := uint64(0)
		for i := range s.Members {
			if holds := s.Members[i].Holds; of < len(holds) {
				most = max(most, holds[of].Lamport)
			}
		}
		kept := n.promises[of]
		if len(kept) == 0 || most > kept[len(kept)-1].until {
			kept = append(kept, promise{at, most})
		}
		kept = forget(kept, lowest(s, of))
		if len(kept) > promisesKept {
			thinned := kept[:0]
			for i := 0; i < len(kept); i += 2 {
				thinned = append(thinned, kept[i])
			}
			kept = thinned
		}
		n.promises[of] = kept
	}
}

// lowest is what all members are known to know of the promises of one.
func lowest(s *chatterbox.Status, of int) uint64 {
	least := ^uint64(0)
	for i := range s.Members {
		holds := s.Members[i].Holds
		if of >= len(holds) {
			return 0
		}
		least = min(least, holds[of].Lamport)
	}
	return least
}

// forget drops the promises that everybody knows, but for the last one.
func forget(kept []promise, known uint64) []promise {
	next := slices.IndexFunc(kept, func(p promise) bool { return p.until > known })
	if next < 0 {
		next = len(kept)
	}
	if next <= 1 {
		return kept
	}
	return slices.Delete(kept, 0, next-1)
}

// since returns since when a member is known to lack a promise; old is false if
// it lacks none.
func (n *news) since(id, of member.ID, s *chatterbox.Status) (at int64, old bool) {
	if id == of {
		return 0, false
	}
	known := uint64(0)
	if holds := s.Members[id].Holds; int(of) < len(holds) {
		known = holds[of].Lamport
	}
	for _, p := range n.promises[of] {
		if p.until > known {
			return p.at, true
		}
	}
	return 0, false
}
