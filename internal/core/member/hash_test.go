package member

import "testing"

func TestHashTellsListsApart(t *testing.T) {
	list := List{{Name: "a", Host: "h", Port: 1}, {Name: "b", Host: "h", Port: 2}}
	renamed := List{{Name: "x", Host: "h", Port: 1}, {Name: "y", Host: "h", Port: 2}}
	if list.Hash() != renamed.Hash() {
		t.Error("names change the hash")
	}
	for what, other := range map[string]List{
		"order":  {list[1], list[0]},
		"length": list[:1],
		"port":   {list[0], {Host: "h", Port: 3}},
		"key":    {list[0], {Host: "h", Port: 2, Key: "k"}},
	} {
		if other.Hash() == list.Hash() {
			t.Errorf("another %s has the same hash", what)
		}
	}
}
