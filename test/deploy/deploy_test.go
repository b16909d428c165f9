// Package deploy_test holds the files in deploy/ to the program: what they name
// has to be there, and those who read them must take them.
package deploy_test

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatterbox/test/program"
)

const (
	root           = "../.."
	binaryBytesMax = 20 << 20
	startWithin    = 30 * time.Second
)

// read returns a file in deploy/.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// containerBuild is the command with which the container file builds the binary.
func containerBuild(t *testing.T) string {
	t.Helper()
	match := regexp.MustCompile(`(?m)^RUN (.* go build .*)$`).FindStringSubmatch(read(t, "container/Containerfile"))
	if match == nil {
		t.Fatal("the container file builds nothing")
	}
	return match[1]
}

// build builds the binary as the container file does.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chatterbox")
	command := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(containerBuild(t), "-o /chatterbox", "-o "+path, 1))
	command.Dir = root
	if talk, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, talk)
	}
	return path
}

// TestContainerHasOneStaticBinary: it is built with the flags of the container
// file, needs nothing else, is small, and is not run by root.
func TestContainerHasOneStaticBinary(t *testing.T) {
	path := build(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() >= binaryBytesMax {
		t.Errorf("the binary has %d bytes, allowed are %d", info.Size(), binaryBytesMax)
	}
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // only read
	if libraries, err := file.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("it needs %v, %v", libraries, err)
	}
	for _, program := range file.Progs {
		if program.Type == elf.PT_INTERP {
			t.Error("it needs a loader")
		}
	}
	_, last, _ := strings.Cut(read(t, "container/Containerfile"), "\nFROM scratch\n")
	if !regexp.MustCompile(`(?m)^USER [1-9][0-9]*:[1-9][0-9]*$`).MatchString(last) {
		t.Error("it is run by root, or by somebody who has no number")
	}
	for _, line := range regexp.MustCompile(`(?m)^(COPY|ADD|RUN) .*$`).FindAllString(last, -1) {
		if !regexp.MustCompile(`^COPY --from=build (/chatterbox|--chown=\S+ /data) `).MatchString(line) && !strings.Contains(line, "--chown=65532:65532 /data /data") {
			t.Errorf("the image gets more than the binary and a folder: %s", line)
		}
	}
	match := regexp.MustCompile(`(?m)^CMD (\[.*\])$`).FindStringSubmatch(last)
	var args []string
	if match == nil || json.Unmarshal([]byte(match[1]), &args) != nil {
		t.Fatalf("no arguments in %s", last)
	}
	t.Logf("%d bytes", info.Size())
}

// TestUnitIsTaken has systemd read the unit, and judge how much it may do.
func TestUnitIsTaken(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	text := read(t, "systemd/chatterbox.service")
	path := filepath.Join(t.TempDir(), "chatterbox.service")
	there := strings.Replace(text, "ExecStart=/usr/local/bin/chatterbox ", "ExecStart=/bin/true ", 1) // it has to be there
	if err := os.WriteFile(path, []byte(there), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", "--man=no", path}, {"security", "--offline=yes", "--threshold=20", path}} {
		talk, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(talk) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, talk)
		}
	}
}

// TestUnitStartsTheMember runs the command of the unit, with its files elsewhere,
// and hears what it tells systemd.
func TestUnitStartsTheMember(t *testing.T) {
	match := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/chatterbox (.*)$`).FindStringSubmatch(read(t, "systemd/chatterbox.service"))
	if match == nil {
		t.Fatal("the unit starts nothing")
	}
	folder, binary := t.TempDir(), build(t)
	args := strings.Fields(strings.NewReplacer("/etc/chatterbox", folder, "/var/lib/chatterbox", folder).Replace(match[1]))
	port := freePort(t)
	write(t, filepath.Join(folder, "chatterbox.conf"), "port = "+port+"\nhttp = 127.0.0.1:0\n")
	write(t, filepath.Join(folder, "peers.json"), `["127.0.0.1:`+port+`"]`)
	socket := filepath.Join(folder, "notify")
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close() //nolint:errcheck // a socket of the test
	if err := told.SetReadDeadline(time.Now().Add(startWithin)); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), binary, args...)
	command.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket)
	var talk bytes.Buffer
	command.Stderr = &talk
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	hear := func(want string) {
		t.Helper()
		message := make([]byte, 100)
		n, err := told.Read(message)
		if err != nil || string(message[:n]) != want {
			t.Fatalf("told %q, %v, want %q; it said:\n%s", message[:n], err, want, talk.String())
		}
	}
	hear("READY=1")
	if err := command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	hear("STOPPING=1")
	if err := command.Wait(); err != nil {
		t.Errorf("%v\n%s", err, talk.String())
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	return strconv.Itoa(program.Ports(t, 1)[0])
}

// scrape returns the metrics of a member of three, the others of which do not
// run, after a request of each kind.
func scrape(t *testing.T) string {
	t.Helper()
	folder, binary := t.TempDir(), build(t)
	port, web := freePort(t), "127.0.0.1:"+freePort(t)
	write(t, filepath.Join(folder, "peers.json"), `["127.0.0.1:`+port+`"]`)
	ctx, stop := context.WithCancel(t.Context())
	command := exec.CommandContext(ctx, binary, "serve", "--port", port, "--volatile", "--http", web)
	command.Dir = folder
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = command.Wait() // it was killed
	})
	client := http.Client{Timeout: startWithin}
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(startWithin); time.Now().Before(end); <-ticker.C {
		response, err := client.Post("http://"+web+"/v1/entries?until=settled", "", strings.NewReader("x"))
		if err != nil {
			continue
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusCreated {
			continue
		}
		if response, err = client.Get("http://" + web + "/metrics"); err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close() //nolint:errcheck // only read
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	t.Fatal("the member does not serve")
	return ""
}
