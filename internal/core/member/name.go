package member

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	nameBytesMax = 264 // an address in brackets with its port fits
	hostBytesMax = 253 // of a name in the DNS (RFC 1035)
)

// Letter returns the short name of a place in the list: "a" to "z", and the
// number from 1, thus "27", for those that follow.
func Letter(id ID) string {
	if id < 26 {
		return string(rune('a' + id))
	}
	return strconv.Itoa(int(id) + 1)
}

// Lettered returns a list of so many members that are called by their letters, for
// where nothing but their places matters.
func Lettered(members int) List {
	list := make(List, members)
	for i := range list {
		list[i] = Member{Name: Letter(ID(i)), Host: Letter(ID(i)), Port: 1}
	}
	return list
}

// placeOf understands a letter or a number as a place in the list, from 0.
func placeOf(name string) (place int, ok bool) {
	if len(name) == 1 && name[0] >= 'a' && name[0] <= 'z' {
		return int(name[0] - 'a'), true
	}
	number, err := strconv.ParseUint(name, 10, 16)
	return int(number) - 1, err == nil && number > 0
}

// CheckName returns what is wrong with a member's name. Names stand in failure
// maps and in reports, so they have no space and none of , # * < > and quotes.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("a name may not be empty")
	case len(name) > nameBytesMax:
		return fmt.Errorf("a name has at most %d bytes, this one has %d", nameBytesMax, len(name))
	case !utf8.ValidString(name):
		return fmt.Errorf("the name %q is not valid UTF-8", name)
	}
	for _, r := range name {
		if !unicode.IsPrint(r) || r == ' ' || r == utf8.RuneError || strings.ContainsRune(`,#*<>"'`, r) {
			return fmt.Errorf("the name %q has the character %q in it: use letters, digits, and . : - _", name, r)
		}
	}
	return nil
}
