package diagram

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// shiVizParser is the regular expression by which ShiViz takes the log apart;
// it reads it from the first line of a log file.
const shiVizParser = `(?<host>\S*) (?<clock>{.*})\n(?<event>.*)`

// shiVizBatches is how many batches are followed in a log for ShiViz at most:
// it draws each event, and some thousands of them are all that one can see.
const shiVizBatches = 200

// ShiViz writes a view as a log for ShiViz (Beschastnikh et al., Debugging
// Distributed Systems, CACM 2016): its regular expression, an empty line where
// it wants the delimiter of several executions, and of each event a line with
// the member and its vector clock, and a line of words. The clocks count the
// events of the log, from 1. Notice says what is left out.
func ShiViz(out io.Writer, r *Run, v View) (notice string, err error) {
	batches, stride, all := r.follow(&v, shiVizBatches)
	steps := r.stepsOf(&v, batches, r.stories(&v, batches))
	if len(steps) == 0 {
		return "", fmt.Errorf("diagram: nothing happens in this view; ShiViz takes no empty log")
	}
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, "%s\n\n", shiVizParser)
	hosts := hostNames(r.names())
	clocks := make([][]int, len(hosts))
	for m := range clocks {
		clocks[m] = make([]int, len(hosts))
	}
	leaving := map[int32][]int{} // clock of a frame when it was sent
	for i := range steps {
		s := &steps[i]
		own := clocks[s.who]
		if s.kind == stepReceives {
			for m, time := range leaving[s.frame] {
				own[m] = max(own[m], time)
			}
		}
		own[s.who]++
		if s.kind == stepSends {
			leaving[s.frame] = append([]int(nil), own...)
		}
		fmt.Fprintf(w, "%s %s\n%s, %s\n", hosts[s.who], clockText(hosts, own), oneLine(r.words(s)), seconds(s.at))
	}
	if err := w.Flush(); err != nil {
		return "", fmt.Errorf("diagram: write log for ShiViz: %w", err)
	}
	if stride > 1 {
		notice = fmt.Sprintf("follows one in %s of %s", grouped(uint64(stride)), count(all, "batch"))
	}
	return notice, nil
}

// clockText writes a vector clock as ShiViz reads it; who is not known yet is
// left out.
func clockText(hosts []string, clock []int) string {
	var b strings.Builder
	b.WriteByte('{')
	for m, time := range clock {
		if time == 0 {
			continue
		}
		if b.Len() > 1 {
			b.WriteString(", ")
		}
		name, _ := json.Marshal(hosts[m]) // a string never fails
		b.Write(name)
		b.WriteString(": " + strconv.Itoa(time))
	}
	b.WriteByte('}')
	return b.String()
}

// hostNames makes names without spaces, braces and quotes of the members'
// names, all different: ShiViz ends a name at a space, and looks it up in a
// clock and in other objects of JavaScript, which find what every object has.
func hostNames(names []string) []string {
	everyObjectHas := []string{
		"__proto__", "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
		"__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
	}
	taken := map[string]bool{}
	hosts := make([]string, len(names))
	for m, name := range names {
		host := strings.Map(func(c rune) rune {
			if unicode.IsSpace(c) || !unicode.IsPrint(c) || strings.ContainsRune(`{}"\`, c) {
				return '_'
			}
			return c
		}, name)
		if host == "" || taken[host] || slices.Contains(everyObjectHas, host) {
			host = fmt.Sprintf("%s_%d", host, m+1)
		}
		taken[host] = true
		hosts[m] = host
	}
	return hosts
}

// oneLine keeps text to one line.
func oneLine(text string) string { return clean(text, textChars) }
