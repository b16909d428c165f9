package transport

import (
	"strings"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

func TestEmptyConfigurationTellsAllThatIsMissing(t *testing.T) {
	_, err := Start(Config{})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, mistake := range []string{"List", "Identity", "Life", "Listener", "Dial", "Handler", "Log", "Pool"} {
		if !strings.Contains(err.Error(), mistake) {
			t.Errorf("%q does not tell of %s", err, mistake)
		}
	}
}

func TestEachMistakeIsToldWithWhatIsAllowed(t *testing.T) {
	network := newWorld(t, 2)
	listener, err := network.network.Listen("x")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for want, change := range map[string]func(*Config){
		"Self is 5, but there are 2 members":                    func(c *Config) { c.Self = 5 },
		"4097 members in List, allowed are 1 to 4096":           func(c *Config) { c.List = make(member.List, 4097) },
		"Cluster has 65 bytes, allowed are 64":                  func(c *Config) { c.Cluster = strings.Repeat("x", 65) },
		"Life is 4294967296, allowed are 1 to 4294967295":       func(c *Config) { c.Life = 1 << 32 },
		"buffers of Pool have 100 bytes, needed are 4096":       func(c *Config) { c.Pool = protocol.NewPool(100, 1) },
		"BeatEvery is -1ns, it must be more than 0":             func(c *Config) { c.BeatEvery = -1 },
		"SuspectAfter is 500ms, it must be at least twice":      func(c *Config) { c.BeatEvery = time.Second },
		"SilenceMax is 1ms, it must be at least SuspectAfter":   func(c *Config) { c.SilenceMax = time.Millisecond },
		"DialTimeout is -1ns, it must be more than 0":           func(c *Config) { c.DialTimeout = -1 },
		"RedialMin is -1ns, it must be more than 0":             func(c *Config) { c.RedialMin = -1 },
		"RedialMax is 1ns, it must be at least RedialMin, 10ms": func(c *Config) { c.RedialMax = 1 },
		"HandshakeTimeout is -1ns, it must be more than 0":      func(c *Config) { c.HandshakeTimeout = -1 },
		"FrameBytesMax is 4194305, allowed are 512 to 4194304":  func(c *Config) { c.FrameBytesMax = 4<<20 + 1 },
		"FrameBytesMax is 511, allowed are 512 to 4194304":      func(c *Config) { c.FrameBytesMax = 511 },
		"QueueBytesMax is -1, it must be more than 0":           func(c *Config) { c.QueueBytesMax = -1 },
		"UnknownMax is -1, it must be more than 0":              func(c *Config) { c.UnknownMax = -1 },
		"MessagesMax is -1, it must be more than 0":             func(c *Config) { c.MessagesMax = -1 },
		"Identity is 0; draw one at random":                     func(c *Config) { c.Identity = 0 },
		"Log is missing; use slog.DiscardHandler for silence":   func(c *Config) { c.Log = nil },
		"Listener is missing":                                   func(c *Config) { c.Listener = nil },
		"Dial is missing":                                       func(c *Config) { c.Dial = nil },
		"Handler is missing":                                    func(c *Config) { c.Handler = nil },
		"Pool is missing":                                       func(c *Config) { c.Pool = nil },
	} {
		config := network.config(0)
		config.Listener = listener
		change(&config)
		if _, err := Start(config); err == nil || !strings.HasPrefix(err.Error(), "transport: "+want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one line: %s", err, want)
		}
	}
}

// TestNoticesAreFewAndForgotten tells the same and other things.
func TestNoticesAreFewAndForgotten(t *testing.T) {
	network := newWorld(t, 2)
	listener, err := network.network.Listen("host:1")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	from := listener.Addr()
	var n notices
	for _, step := range []struct {
		kind string
		at   time.Duration
		due  bool
	}{
		{"x", 0, true},
		{"x", time.Second, false},
		{"y", time.Second, true},
		{"x", time.Minute, true},
		{"x", 100 * time.Second, false},
	} {
		if due := n.due(step.kind, from, step.at); due != step.due {
			t.Errorf("%s at %v: %v", step.kind, step.at, due)
		}
	}
	for i := range 10 * noticesMax {
		n.due(strings.Repeat("z", i), from, time.Second)
		if len(n.told) > noticesMax {
			t.Fatalf("%d notices are remembered", len(n.told))
		}
	}
}
