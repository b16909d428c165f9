//go:build linux

package serve_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	idleStrangers = 1000   // connections that are open and say nothing
	floodRate     = 10_000 // connects a second, at all ports together
	floodPause    = 2 * time.Millisecond
)

// stranger is what somebody may do at an address who is no member, until ctx
// ends.
type stranger struct {
	name string
	come func(s *siege, ctx context.Context, address string)
}

// siege is what strangers know of a cluster, and how often they came.
type siege struct {
	Addresses  []string
	Recordings map[string][][]byte // what somebody else said at an address, in real sessions

	visits atomic.Int64
}

// visit counts somebody who comes, whether or not there will be room for him, and
// says so of the first one.
func (s *siege) visit() {
	if s.visits.Add(1) == 1 {
		fmt.Println(siegeBegins)
	}
}

func strangers() []stranger {
	return []stranger{
		{"idle", func(s *siege, ctx context.Context, address string) { s.crowd(ctx, address, nil) }},
		{"a byte a minute", func(s *siege, ctx context.Context, address string) {
			s.crowd(ctx, address, func() []byte { return s.Recordings[address][0][:1] })
		}},
		{"garbage", func(s *siege, ctx context.Context, address string) {
			s.throng(ctx, address, func() []byte {
				noise := make([]byte, 1+rand.IntN(64<<10))
				_, _ = rand.NewChaCha8([32]byte{byte(rand.Int())}).Read(noise)
				return noise
			})
		}},
		{"replayed recordings", func(s *siege, ctx context.Context, address string) {
			s.throng(ctx, address, func() []byte {
				all := s.Recordings[address]
				return all[rand.IntN(len(all))]
			})
		}},
		{"10,000 connects a second", (*siege).flood},
	}
}

func (s *siege) dial(ctx context.Context, address string) net.Conn {
	// Strangers come from an address of their own.
	from := strangeAddress()
	dialer := net.Dialer{Timeout: answerMax, LocalAddr: &net.TCPAddr{IP: net.IP(from[:])}}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil
	}
	_ = conn.(*net.TCPConn).SetLinger(0) // or ports would be used up
	return conn
}

// crowd keeps many connections open at once, each of which says a little and then
// nothing. Those that are closed come again.
func (s *siege) crowd(ctx context.Context, address string, says func() []byte) {
	var group sync.WaitGroup
	for range idleStrangers / members {
		group.Go(func() {
			for ; ctx.Err() == nil; pause(ctx, time.Second) {
				s.visit()
				conn := s.dial(ctx, address)
				if conn == nil {
					continue
				}
				leave := context.AfterFunc(ctx, func() { _ = conn.Close() })
				if says != nil {
					_, _ = conn.Write(says())
				}
				_, _ = io.Copy(io.Discard, conn)
				leave()
				_ = conn.Close()
			}
		})
	}
	group.Wait()
}

// throng comes again and again, a few at a time, says something and waits until
// the other side has had enough.
func (s *siege) throng(ctx context.Context, address string, says func() []byte) {
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for ctx.Err() == nil {
				s.visit()
				if conn := s.dial(ctx, address); conn != nil {
					leave := context.AfterFunc(ctx, func() { _ = conn.Close() })
					_, _ = conn.Write(says())
					_ = conn.(*net.TCPConn).CloseWrite()
					_ = conn.SetReadDeadline(time.Now().Add(answerMax))
					_, _ = io.Copy(io.Discard, conn)
					leave()
					_ = conn.Close()
				}
				pause(ctx, time.Millisecond)
			}
		})
	}
	group.Wait()
}

// siegeArgument is the first argument that makes this program strangers: then
// come their kind and the file that says what they know. They say on stdout when the
// first one comes, come until stdin ends, and then say how often.
const (
	siegeArgument = "strangers"
	siegeBegins   = "here"
)

// TestMain makes strangers of this program if the arguments say so. They are
// another process, which has the processors only while nobody else wants them (sched(7), SCHED_IDLE): what they compute is not what the
// members have to bear.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == siegeArgument {
		visits, err := besiege(os.Args[2], os.Args[3])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(visits)
		os.Exit(0)
	}
	flag.Parse()
	os.Exit(m.Run())
}

func besiege(kind, file string) (visits int64, err error) {
	var s siege
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return 0, err
	}
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	var group sync.WaitGroup
	for _, stranger := range strangers() {
		for _, address := range s.Addresses {
			if stranger.name == kind {
				group.Go(func() { stranger.come(&s, ctx, address) })
			}
		}
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	leave()
	group.Wait()
	return s.visits.Load(), nil
}

// begin lets strangers of a kind come, from when it returns until the function that it
// returns is called, which returns how often they came.
func (s *siege) begin(t *testing.T, kind string) (end func() (visits int)) {
	t.Helper()
	self, err := os.Executable()
	text, err2 := json.Marshal(s)
	file := filepath.Join(t.TempDir(), "siege")
	if err := errors.Join(err, err2, os.WriteFile(file, text, 0o600)); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "chrt", "--idle", "0", self, siegeArgument, kind, file)
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	stdout, err2 := command.StdoutPipe()
	if err = errors.Join(err, err2); err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewScanner(stdout)
	if !out.Scan() || out.Text() != siegeBegins {
		t.Fatalf("%s: nobody comes: %q, %v", kind, out.Text(), out.Err())
	}
	return func() int {
		_ = stdin.Close()
		out.Scan()
		visits, err := strconv.Atoi(out.Text())
		if err := errors.Join(err, command.Wait()); err != nil {
			t.Errorf("strangers: %v", err)
		}
		return visits
	}
}

// flood connects and is gone, at a pace that nobody's waiting holds up: a socket
// is opened, connects without waiting, and is reset. What the kernel of the other
// side has no room for counts as a visit all the same: it was tried.
func (s *siege) flood(ctx context.Context, address string) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return
	}
	visits, rate := 0, float64(floodRate)/float64(len(s.Addresses))
	for began := time.Now(); ctx.Err() == nil; pause(ctx, floodPause) {
		for due := int(rate * time.Since(began).Seconds()); visits < due && ctx.Err() == nil; visits++ {
			s.visit()
			if err := knock(to); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
		}
	}
}

// knock connects and is gone.
func knock(to netip.AddrPort) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	err = errors.Join(
		unix.SetsockoptLinger(socket, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}), // or ports would be used up
		unix.SetsockoptInt(socket, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.Bind(socket, &unix.SockaddrInet4{Addr: strangeAddress()}))
	if err == nil {
		if err = unix.Connect(socket, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}); errors.Is(err, unix.EINPROGRESS) {
			err = nil
		}
	}
	return errors.Join(err, unix.Close(socket))
}

// strangeAddress is one of those that strangers come from.
func strangeAddress() [4]byte { return [4]byte{127, 0, 0, byte(2 + rand.IntN(50))} }
