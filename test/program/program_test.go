package program

import "testing"

func TestOnlyOneTupleIsATuple(t *testing.T) {
	tuple, err := ReadTuple("(12,7.25)\n")
	if err != nil || tuple.Count != 12 || tuple.Text != "(12,7.25)" {
		t.Errorf("%+v, %v", tuple, err)
	}
	for _, wrong := range []string{"", "(1,2)", "(1,2)\n(1,2)\n", "(1,2e10)\n", "(-1,2)\n", "(1,)\n", " (1,2)\n", "(99999999999999999999,1)\n"} {
		if tuple, err := ReadTuple(wrong); err == nil {
			t.Errorf("%q was read as %+v", wrong, tuple)
		}
	}
}
