//go:build unix

package serve_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"chatterbox/test/program"
)

// TestKeysAreExchangedWhileMembersRun makes the keys of members anew, takes one back
// and exchanges the authority, as an operator does, and asks with openssl whom a
// member lets in and what it shows. No member starts again, and entries settle all
// the time.
func TestKeysAreExchangedWhileMembersRun(t *testing.T) {
	program.OnlyAmongAll(t)
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("no openssl")
	}
	h := newHouse(t)
	h.nameMembers("a", "b", "c")
	h.keys("keys")
	h.keys("other")
	for i := range members {
		h.places[i].flags = []string{"--keys", "keys"}
	}
	h.meet()
	h.settlesWith("the first keys")
	h.isLetIn("keys")
	h.isRefused("other", "unknown ca")

	first := h.keptAs("first")
	h.keys("keys", "--renew")
	h.isLetIn("keys")
	h.isLetIn(first) // it is good, and nobody took it back
	if h.number("keys") == h.number(first) {
		t.Error("the certificate is still the first one")
	}
	h.settlesWith("renewed keys")

	second := h.keptAs("second")
	h.keys("keys", "--revoke", "b")
	h.keys("keys")
	h.isRefused(second, "bad certificate")
	h.isLetIn("keys")
	h.settlesWith("another certificate of b")

	both := h.fileOf("keys/ca.pem") + h.fileOf("other/ca.pem")
	h.put("keys/ca.pem", both)
	h.isLetIn("other")
	third := h.keptAs("third")
	for _, name := range []string{"a", "b", "c"} {
		h.put("keys/member-"+name+".key", h.fileOf("other/member-"+name+".key"))
		h.put("keys/member-"+name+".pem", h.fileOf("other/member-"+name+".pem"))
	}
	h.isLetIn("keys")
	h.put("keys/ca.pem", h.fileOf("other/ca.pem"))
	h.isRefused(third, "unknown ca")
	h.isLetIn("keys")
	h.settlesWith("another authority")
}

// nameMembers gives members names, which stand in their certificates.
func (h *house) nameMembers(names ...string) {
	h.t.Helper()
	var list []map[string]any
	for i, name := range names {
		host, port, _ := net.SplitHostPort(h.places[i].peer)
		number, _ := strconv.Atoi(port)
		list = append(list, map[string]any{"name": name, "host": host, "port": number})
	}
	text, err := json.Marshal(list)
	if err != nil {
		h.t.Fatal(err)
	}
	h.put("peers.json", string(text))
}

// keys makes keys in a folder, or does something else with them.
func (h *house) keys(folder string, flags ...string) {
	h.t.Helper()
	command := exec.CommandContext(h.t.Context(), h.binary, append([]string{"keys", folder}, flags...)...)
	command.Dir = h.folder
	if out, err := command.CombinedOutput(); err != nil {
		h.t.Fatalf("keys %s %v: %v\n%s", folder, flags, err, out)
	}
}

func (h *house) fileOf(file string) string {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(h.folder, file))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

func (h *house) put(file, text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.folder, file), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// keptAs copies the keys that members have now to another folder.
func (h *house) keptAs(folder string) string {
	h.t.Helper()
	if err := os.CopyFS(filepath.Join(h.folder, folder), os.DirFS(filepath.Join(h.folder, "keys"))); err != nil {
		h.t.Fatal(err)
	}
	return folder
}

// number returns the number of a's certificate in a folder.
func (h *house) number(folder string) string { return numberIn(h.fileOf(folder + "/member-a.pem")) }

// numberIn returns the number of the first certificate in a text; "" if there is none.
func numberIn(text string) string {
	_, rest, _ := strings.Cut(text, "-----BEGIN")
	if block, _ := pem.Decode([]byte("-----BEGIN" + rest)); block != nil {
		if certificate, err := x509.ParseCertificate(block.Bytes); err == nil {
			return certificate.SerialNumber.Text(16)
		}
	}
	return ""
}

// handshake connects to a with b's keys of a folder, trusts the authorities that
// members trust now, and returns all that openssl says until a hangs up, for no
// hello comes.
func (h *house) handshake(folder string) string {
	ctx, stop := context.WithTimeout(h.t.Context(), answerMax)
	defer stop()
	command := exec.CommandContext(ctx, "openssl", "s_client", "-connect", h.places[0].peer, "-tls1_3", "-ign_eof", "-CAfile", "keys/ca.pem",
		"-cert", folder+"/member-b.pem", "-key", folder+"/member-b.key", "-verify_hostname", "a", "-verify_return_error")
	command.Dir = h.folder
	said, _ := command.CombinedOutput() // how it ends says nothing: a hangs up in any case
	return string(said)
}

// isLetIn demands that a takes b's certificate of a folder, soon, and shows the one
// that it has now.
func (h *house) isLetIn(folder string) {
	h.t.Helper()
	h.answers(folder, func(said string) bool {
		return strings.Contains(said, "Verification: OK") && !strings.Contains(said, "alert") && numberIn(said) == h.number("keys")
	})
}

// isRefused demands that a refuses b's certificate of a folder, soon, and says why.
func (h *house) isRefused(folder, why string) {
	h.t.Helper()
	h.answers(folder, func(said string) bool { return strings.Contains(said, "alert "+why) })
}

// answers waits until a answers to b's certificate of a folder as it should.
func (h *house) answers(folder string, should func(said string) bool) {
	h.t.Helper()
	var said string
	defer func() {
		if h.t.Failed() {
			h.t.Logf("with b's certificate in %s openssl says\n%s", folder, said)
		}
	}()
	h.until("a answers to b's certificate in "+folder+" as it should", func() bool {
		said = h.handshake(folder)
		return should(said)
	})
}

// settlesWith demands that an entry of each member settles.
func (h *house) settlesWith(what string) {
	h.t.Helper()
	for i := range members {
		h.until("an entry settles with "+what, func() bool { return h.settle(h.t.Context(), i, what) })
	}
}

// TestARetryAfterARestartGivesTheSameEntry sends an entry again, with its key, to a
// member that was stopped, or killed, and started again meanwhile.
func TestARetryAfterARestartGivesTheSameEntry(t *testing.T) {
	h := newHouse(t)
	h.meet()
	ends := map[string]func(){
		"killed": func() { h.kill(0) },
		"stopped": func() {
			h.signal(0, syscall.SIGTERM)
			if err := h.process(0).Wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
		},
	}
	for how, end := range ends {
		key := "sent before it was " + how
		if !h.write(t.Context(), 0, key) {
			t.Fatal("nothing is accepted")
		}
		id := h.accepted[key]
		end()
		h.start(0)
		if !h.write(t.Context(), 0, key) || h.accepted[key] != id {
			t.Errorf("%s it gives %s, before that %s", how, h.accepted[key], id)
		}
	}
	h.judge(t, h.calm(t.Context())) // where nothing is twice
}
