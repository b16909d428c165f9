package gate

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// door is a gate with a clock that the test moves.
type door struct {
	*Gate
	now time.Duration
}

func newDoor() *door {
	d := &door{now: time.Hour}
	d.Gate = New(Config{
		Strangers: Rate{PerSecond: 10, Burst: 20}, Stranger: Rate{PerSecond: 2, Burst: 4}, Known: Rate{PerSecond: 5, Burst: 10},
		Apart: 10 * time.Millisecond, BarredFor: 30 * time.Second,
		Now: func() time.Duration { return d.now },
	})
	return d
}

// come lets a host connect again and again at this moment, and returns how often
// it comes in.
func (d *door) come(times int, host string) (in int) {
	for range times {
		if ok, _ := d.Enter(HostNamed(host)); ok {
			in++
		}
	}
	return in
}

func TestOneHostComesInSoOften(t *testing.T) {
	d := newDoor()
	if in := d.come(1000, "10.0.0.1"); in != 4 {
		t.Errorf("%d came in at once, want the burst", in)
	}
	in := 0
	for range 100 { // ten seconds
		d.now += 100 * time.Millisecond
		in += d.come(50, "10.0.0.1")
	}
	if in != 20 {
		t.Errorf("%d came in within ten seconds, want two a second", in)
	}
	if in := d.come(1, "10.0.0.2"); in != 1 {
		t.Error("another host is kept out by it")
	}
	d.now += time.Hour
	if in := d.come(1000, "10.0.0.1"); in != 4 {
		t.Errorf("%d came in after an hour, want the burst", in)
	}
}

func TestAllStrangersTogetherComeInSoOften(t *testing.T) {
	d := newDoor()
	in := 0
	for second := range 10 {
		for i := range 5000 { // more than are told apart
			in += d.come(1, fmt.Sprintf("10.%d.%d.%d", second, i/250, i%250))
		}
		d.now += time.Second
	}
	if want := 20 + 9*10; in != want {
		t.Errorf("%d came in, want %d", in, want)
	}
	if len(d.strange) > strangersMax {
		t.Errorf("%d hosts are remembered", len(d.strange))
	}
}

// TestKnownHostsAreNotStarved lets strangers come without end beside a host that
// is known, and sees it come in all the same, but not without end either.
func TestKnownHostsAreNotStarved(t *testing.T) {
	d := newDoor()
	d.Vouch(HostNamed("192.0.2.1"))
	for second := range 60 {
		for i := range 200 {
			d.come(10, fmt.Sprintf("10.0.%d.%d", second, i))
		}
		if in := d.come(3, "192.0.2.1"); in != 3 {
			t.Fatalf("second %d: of three times the known host came in %d times", second, in)
		}
		d.now += time.Second
	}
	d.now += 10 * time.Second
	if in := d.come(1000, "192.0.2.1"); in != 10 {
		t.Errorf("the known host came in %d times at once", in)
	}
	d.now += knownFor
	if in := d.come(1000, "192.0.2.1"); in != 4 {
		t.Errorf("the host came in %d times at once, long after it was known", in)
	}
}

// TestBarredHostIsKeptOutForAWhile bars hosts again and again: a strange one comes in
// when its time is over, and little by little; others do not notice, nor does one
// that is known, or becomes known.
func TestBarredHostIsKeptOutForAWhile(t *testing.T) {
	d := newDoor()
	const strange, known, other = "10.0.0.1", "192.0.2.1", "10.0.0.2"
	d.Vouch(HostNamed(known))
	for range 3 {
		d.come(1, strange)
		d.Bar(HostNamed(strange))
		d.Bar(HostNamed(known))
	}
	if in := d.come(4, known); in != 4 {
		t.Errorf("of a known host %d came in", in)
	}
	if in := d.come(1, other); in != 1 {
		t.Error("another host is barred with it")
	}
	for _, c := range []struct {
		wait time.Duration
		want int
	}{{0, 0}, {30*time.Second - 1, 0}, {1, 1}, {time.Second, 2}, {time.Minute, 4}} {
		d.now += c.wait
		if in := d.come(100, strange); in != c.want {
			t.Errorf("%v later %d came in, want %d", c.wait, in, c.want)
		}
	}
	d.Bar(HostNamed(strange))
	d.Vouch(HostNamed(strange))
	if in := d.come(1, strange); in != 1 {
		t.Error("a host that is known now stays barred")
	}
}

// TestStrangersAreHeardInTurn has many come in at once.
func TestStrangersAreHeardInTurn(t *testing.T) {
	d := newDoor()
	d.Vouch(HostNamed("192.0.2.1"))
	for i, host := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.1"} {
		if wait, want := d.Turn(HostNamed(host)), time.Duration(i)*10*time.Millisecond; wait != want {
			t.Errorf("stranger %d waits %v, want %v", i, wait, want)
		}
		if wait := d.Turn(HostNamed("192.0.2.1")); wait != 0 {
			t.Errorf("who is known waits %v", wait)
		}
	}
	d.now += 25 * time.Millisecond
	if wait := d.Turn(HostNamed("10.0.0.3")); wait != 5*time.Millisecond {
		t.Errorf("a later one waits %v", wait)
	}
	d.now += time.Second
	if wait := d.Turn(HostNamed("10.0.0.3")); wait != 0 {
		t.Errorf("one who comes alone waits %v", wait)
	}
}

func TestManyKnownHostsAreForgottenInTime(t *testing.T) {
	d := newDoor()
	for i := range knownMax + 10 {
		d.Vouch(HostNamed(fmt.Sprintf("10.0.%d.%d", i/250, i%250)))
	}
	if len(d.known) != knownMax {
		t.Errorf("%d hosts are known", len(d.known))
	}
	d.now += knownFor
	d.Vouch(HostNamed("192.0.2.1"))
	if len(d.known) != 1 {
		t.Errorf("%d hosts are known a day later", len(d.known))
	}
}

func TestRefusalsAreToldOnceAMinute(t *testing.T) {
	d := newDoor()
	told, lines := uint64(0), 0
	for range 600 { // ten minutes
		for range 10 {
			if _, tell := d.Enter(HostNamed("10.0.0.1")); tell > 0 {
				told += tell
				lines++
			}
		}
		d.now += time.Second
	}
	if lines != 10 || told != 6+539*8+1 {
		t.Errorf("%d refusals in %d lines", told, lines)
	}
}

func TestHosts(t *testing.T) {
	tcp := func(address string) Host {
		return HostOf(net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 7)))
	}
	for _, same := range [][2]Host{
		{tcp("10.0.0.1"), HostNamed("10.0.0.1")},
		{tcp("::ffff:10.0.0.1"), tcp("10.0.0.1")},
		{tcp("2001:db8::1"), tcp("2001:db8::ffff:0:0:2")},
		{tcp("fe80::1%eth0"), tcp("fe80::2")},
		{HostOf(&net.UnixAddr{Name: "host:1"}), HostNamed("host")},
		{HostOf(&net.UnixAddr{Name: "host"}), HostNamed("host")},
	} {
		if same[0] != same[1] {
			t.Errorf("%v is not %v", same[0], same[1])
		}
	}
	for _, other := range [][2]Host{{tcp("10.0.0.1"), tcp("10.0.0.2")}, {tcp("2001:db8:0:1::1"), tcp("2001:db8:0:2::1")}} {
		if other[0] == other[1] {
			t.Errorf("%v is %v", other[0], other[1])
		}
	}
}

// TestRefusingAllocatesNothing: who is refused costs a look.
func TestRefusingAllocatesNothing(t *testing.T) {
	d := newDoor()
	var address net.Addr = &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 7}
	d.come(10, "10.0.0.1")
	if allocated := testing.AllocsPerRun(1000, func() { d.Enter(HostOf(address)) }); allocated != 0 {
		t.Errorf("%v allocations", allocated)
	}
}
