package access_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"strata/events/access"
)

// TestKeyIsKept shows that all that hangs on the key is the same after a restart, and another's is not.
func TestKeyIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "key")
	first, again, other := openKey(t, path), openKey(t, path), openKey(t, filepath.Join(t.TempDir(), "key"))
	p := access.Principal{Role: access.Worker, Worker: "w1"}
	if first.Token(p) != again.Token(p) || first.Password() != again.Password() || public(t, first) != public(t, again) {
		t.Error("a key that is read again gives other tokens, another password or account")
	}
	if first.Token(p) == other.Token(p) || first.Password() == other.Password() || public(t, first) == public(t, other) {
		t.Error("two keys give the same token, password or account")
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: got mode %v, error %v; want it readable by its owner only", info.Mode(), err)
	}
}

// TestKeyMadeOnce opens a key that is not there from many sides at once: all get the same.
func TestKeyMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	passwords := make([]string, 20)
	var wait sync.WaitGroup
	for i := range passwords {
		wait.Go(func() {
			if k, err := access.OpenKey(path); err == nil {
				passwords[i] = k.Password()
			}
		})
	}
	wait.Wait()
	if slices.Contains(passwords, "") || len(slices.Compact(passwords)) != 1 {
		t.Errorf("opened at once: got passwords %q, want one for all", passwords)
	}
}

// TestKeyRefused shows that a file that is no key is not overwritten.
func TestKeyRefused(t *testing.T) {
	for _, content := range []string{"", "secret", strings.Repeat("g", 64), strings.Repeat("a", 66)} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := access.OpenKey(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("key file %q: got error %v, want one that names the file", content, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("key file %q was changed to %q (error %v)", content, got, err)
		}
	}
}

func TestToken(t *testing.T) {
	key := openKey(t, filepath.Join(t.TempDir(), "key"))
	principals := []access.Principal{
		{Role: access.Worker, Worker: "lab1.example.com"},
		{Role: access.Job, Job: 42, Lease: 812, Worker: "w1", Group: "8c1e"},
		{Role: access.Person, User: "john.doe@example.com"},
	}
	for _, p := range principals {
		token := key.Token(p)
		got, err := key.Verify(token)
		if err != nil || got != p {
			t.Errorf("Verify(Token(%+v)): got %+v, error %v", p, got, err)
		}
		for i := range token { // no byte of it may be changed
			for _, c := range []byte("A.=") {
				if changed := token[:i] + string(c) + token[i+1:]; changed != token {
					if _, err := key.Verify(changed); !errors.Is(err, access.ErrInvalid) {
						t.Errorf("token with byte %d changed to %q: got error %v, want ErrInvalid", i, c, err)
					}
				}
			}
		}
		for _, cut := range []string{"", token[:len(token)-1], token + "A", token + ".", " " + token} {
			if _, err := key.Verify(cut); !errors.Is(err, access.ErrInvalid) {
				t.Errorf("token %q: got error %v, want ErrInvalid", cut, err)
			}
		}
	}
}

// TestInboxes shows that no principal's inbox lies within another's.
func TestInboxes(t *testing.T) {
	all := []string{access.ServiceInbox}
	for _, p := range []access.Principal{
		{Role: access.Worker, Worker: "w1"}, {Role: access.Worker, Worker: "w1.x"}, {Role: access.Worker, Worker: "w1.>"},
		{Role: access.Job, Job: 4, Lease: 2}, {Role: access.Job, Job: 42, Lease: 2}, {Role: access.Job, Job: 4, Lease: 22},
		{Role: access.Person, User: access.Local}, {Role: access.Person, User: "x.local"}, {Role: access.Person, User: "*"},
	} {
		all = append(all, p.Inbox())
	}
	for i, a := range all {
		for j, b := range all {
			if i != j && (a == b || strings.HasPrefix(b, a+".")) {
				t.Errorf("inbox %s lies within %s", b, a)
			}
		}
		if strings.ContainsAny(a, "*> ") {
			t.Errorf("inbox %s has a wildcard", a)
		}
	}
}

// TestRightsHaveNoStranger shows that names cannot widen a right: whatever a worker or user is called,
// each subject keeps its shape.
func TestRightsHaveNoStranger(t *testing.T) {
	plain := access.Principal{Role: access.Worker, Worker: "w"}.Rights()
	odd := access.Principal{Role: access.Worker, Worker: "*.> x"}.Rights()
	for i := range plain.Publish {
		if strings.Count(plain.Publish[i], ".") != strings.Count(odd.Publish[i], ".") ||
			strings.Count(plain.Publish[i], ">") != strings.Count(odd.Publish[i], ">") || strings.Contains(odd.Publish[i], "*") {
			t.Errorf("right of a worker with an odd name: got %s, beside %s", odd.Publish[i], plain.Publish[i])
		}
	}
	if r := (access.Principal{Role: "guest"}).Rights(); len(r.Publish)+len(r.Subscribe) != 0 {
		t.Errorf("unknown role: got rights %+v, want none", r)
	}
}

func ExamplePrincipal_Rights() {
	r := access.Principal{Role: access.Job, Job: 42, Lease: 812}.Rights()
	fmt.Println(r.Publish, r.Subscribe)
	// Output: [output.42 input.42.>] [_INBOX_job.42.812.> input.42]
}

func FuzzVerify(f *testing.F) {
	key, err := access.OpenKey(filepath.Join(f.TempDir(), "key"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("strata1_e30.AAAA")
	f.Add("strata1_.")
	f.Fuzz(func(t *testing.T, token string) {
		if p, err := key.Verify(token); err == nil {
			t.Errorf("Verify(%q): got %+v for a token that was never given out", token, p)
		}
	})
}

func openKey(t *testing.T, path string) access.Key {
	t.Helper()
	k, err := access.OpenKey(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func public(t *testing.T, k access.Key) string {
	t.Helper()
	pair, err := k.Issuer()
	if err != nil {
		t.Fatal(err)
	}
	p, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return p
}
