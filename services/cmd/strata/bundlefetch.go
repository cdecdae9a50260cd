package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"strata/dispatcher/reproduce"
	"strata/schemas/yaml"
)

// fetch brings a download into the bundle: from the folder of --cache, or by its URL. Only the bytes that
// the job had are taken.
// The error says what to do where no fetching helps: name a folder. One download has an hour.
func (b *bundling) fetch(ctx context.Context, address string, want reproduce.Digest, to string) error {
	// It comes out of the log, which a worker wrote, and becomes a part of paths.
	if len(want.SHA256) != 2*sha256.Size || !hexadecimal(want.SHA256) {
		return fmt.Errorf("the log has %q for its SHA-256: want 64 hexadecimal digits", want.SHA256)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(to); err == nil {
		return nil // two of the job's downloads have the same content
	}
	if b.cache != "" {
		if from := inCache(b.cache, want); from != "" {
			f, err := os.Open(from)
			if err != nil {
				return err
			}
			defer f.Close()
			return take(f, want, to)
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	switch u.Scheme {
	case "http", "https":
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		resp, err := (&http.Client{Timeout: time.Hour}).Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("the server answers %s", resp.Status)
		}
		return take(resp.Body, want, to)
	case "file":
		f, err := os.Open(u.Path)
		if err != nil {
			return err
		}
		defer f.Close()
		return take(f, want, to)
	case "":
		return fmt.Errorf("its URL is not known; name a folder that has the file of SHA-256 %s with --cache", want.SHA256)
	}
	return fmt.Errorf("%s is not fetched from here; name a folder that has the file of SHA-256 %s with --cache", u.Scheme, want.SHA256)
}

// take writes what it reads, if it is what is wanted.
// One byte more than wanted is read, or a file that only begins with the wanted bytes would do.
func take(r io.Reader, want reproduce.Digest, to string) error {
	f, err := os.Create(to + ".part")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone where all went well
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(r, want.Size+1))
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want.SHA256 {
		return fmt.Errorf("there is another file now: SHA-256 %s of %d bytes, the job had %s of %d", got, n, want.SHA256, want.Size)
	}
	return os.Rename(f.Name(), to)
}

// inCache finds a file in a worker's cache, which knows files by their digest, or in any folder.
// Of any folder only files of the right size are read, so a folder of images costs one digest and not
// a hundred. "" where there is none.
func inCache(dir string, want reproduce.Digest) string {
	object := filepath.Join(dir, "objects", want.SHA256[:2], want.SHA256)
	if _, err := os.Stat(object); err == nil {
		return object
	}
	found := ""
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error { // what cannot be read is not there
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() != want.Size {
			return nil
		}
		if got, err := reproduce.DigestOf(path); err == nil && got == want {
			found = path
			return fs.SkipAll
		}
		return nil
	})
	return found
}

// hexadecimal says that a text is of nothing but hexadecimal digits, as digests and commits are written.
func hexadecimal(text string) bool { return text != "" && strings.Trim(text, "0123456789abcdef") == "" }

// tree is a test repository: as the bundle names it, and as it is fetched.
type tree struct {
	shown reproduce.Tree
	raw   source
}

// source says how a repository is cloned.
type source struct {
	url, commit string
	recursive   bool
}

// trees returns the repositories whose commits the log tells, with the words of the definition.
// Repositories of test definitions only: those that a deployment or a command clones are none of the
// overlay's. A tree that two definitions share is fetched once.
func (b *bundling) trees() ([]tree, error) {
	root, err := yaml.Parse([]byte(b.in.Definition))
	if err != nil {
		return nil, err
	}
	type place struct{ repository, path string }
	named := map[place][]*yaml.Node{}
	for _, entry := range listed(root.Get("actions")) {
		for _, d := range listed(entry.Get("test", "definitions")) {
			if d.Get("from").TextOr("") == "git" {
				at := place{d.Get("repository").TextOr(""), d.Get("path").TextOr("")}
				named[at] = append(named[at], d)
			}
		}
	}
	var out []tree
	seen, count := map[reproduce.Tree]bool{}, map[place]int{}
	for _, c := range b.outcome.Commits {
		at := place{c.Repository, c.Path}
		if len(named[at]) == 0 {
			continue
		}
		// Definitions of one file at several revisions come in the order of the job, in each overlay anew.
		d := named[at][count[at]%len(named[at])]
		count[at]++
		t := reproduce.Tree{Repository: b.redact.Line(reproduce.DefinitionFile, c.Repository), Branch: d.Get("branch").TextOr(""),
			Revision: d.Get("revision").TextOr(""), Commit: c.Commit}
		if !seen[t] {
			seen[t] = true
			out = append(out, tree{t, source{c.Repository, c.Commit, d.Get("recursive").Truth()}})
		}
	}
	return out, nil
}

// listed returns the items of a list, none of anything else.
func listed(n *yaml.Node) []*yaml.Node {
	if !n.Is(yaml.List) {
		return nil
	}
	return n.Items
}

// fetchTree clones a repository, checks the commit out, and keeps the files as a tar.
func (b *bundling) fetchTree(ctx context.Context, s source) (name string, err error) {
	if !hexadecimal(s.commit) { // likewise of the log; git would take -x for an option
		return "", fmt.Errorf("the log has %q for its commit", s.commit)
	}
	dir, err := os.MkdirTemp("", "strata-tree-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what stays behind is in the temporary directory
	git := func(args ...string) error {
		cmd := exec.CommandContext(ctx, "git", args...)
		// It must never ask for a password: nobody may be there to answer, and the bundle would wait
		// for ever.
		cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true", "LC_ALL=C")
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(said.String()))
		}
		return nil
	}
	clone := filepath.Join(dir, "clone")
	// Whole, not shallow: a server need not hand out a commit that is the head of no branch.
	if err := git("clone", "--no-checkout", "--", s.url, clone); err != nil {
		return "", err
	}
	if err := git("-C", clone, "checkout", "--detach", s.commit); err != nil {
		return "", err
	}
	if s.recursive {
		if err := git("-C", clone, "submodule", "update", "--init", "--recursive"); err != nil {
			return "", err
		}
	}
	file := filepath.Join(dir, "tree.tar")
	if err := tarTree(clone, file); err != nil {
		return "", err
	}
	digest, err := reproduce.DigestOf(file)
	if err != nil {
		return "", err
	}
	name = "trees/" + digest.SHA256 + ".tar"
	to := filepath.Join(b.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return "", err
	}
	in, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer in.Close()
	return name, take(in, digest, to)
}

// tarTree writes the files of a tree without git's own, of which the tests need none.
func tarTree(dir, file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	out := tar.NewWriter(f)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		if d.Name() == ".git" {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		link := ""
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			if link, err = os.Readlink(path); err != nil {
				return err
			}
		case !info.Mode().IsRegular() && !info.IsDir():
			return nil
		}
		h, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		// The same tree gives the same tar, whoever clones it when.
		*h = tar.Header{Typeflag: h.Typeflag, Name: filepath.ToSlash(name), Linkname: h.Linkname, Size: h.Size, Mode: h.Mode & 0o755}
		if err := out.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
			return err
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		_, err = io.Copy(out, in)
		return err
	})
	if err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return f.Close()
}
