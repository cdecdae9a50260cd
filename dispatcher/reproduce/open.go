package reproduce

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// ErrBundle says that a file is no bundle, or one that is damaged or goes beyond the limits.
var ErrBundle = errors.New("not a bundle that can be used")

// Limits bound what is unpacked.
type Limits struct {
	Members int   // files
	Text    int64 // bytes of the manifest and of each YAML text
	Log     int64 // bytes of the log
	Total   int64 // bytes of everything
}

// DefaultLimits are far above what a job has, and far below a disk.
func DefaultLimits() Limits {
	return Limits{Members: 2000, Text: 8 << 20, Log: 4 << 30, Total: 64 << 30}
}

// IsBundle says that what a file begins with is a bundle, and not a job definition: a tar whose first
// member is the manifest.
func IsBundle(head []byte) bool {
	return len(head) >= 263 && bytes.HasPrefix(head, []byte(ManifestName+"\x00")) && string(head[257:262]) == "ustar"
}

// Open unpacks a bundle into a directory, which must exist and be empty. Its errors are ErrBundle, or
// those of the directory's disk.
func Open(r io.Reader, dir string, l Limits) (Manifest, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Manifest{}, fmt.Errorf("unpack the bundle: %w", err)
	}
	defer root.Close()
	var m Manifest
	in := tar.NewReader(r)
	seen, total := map[string]bool{}, int64(0)
	for n := 0; ; n++ {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return m, fmt.Errorf("%w: %w", ErrBundle, err)
		}
		if err := l.check(h, n, seen, total); err != nil {
			return m, err
		}
		seen[h.Name], total = true, total+h.Size
		if n == 0 {
			if m, err = readManifest(in); err != nil {
				return m, err
			}
			continue
		}
		want, known := m.Files[h.Name]
		if !known || want.Size != h.Size {
			return m, fmt.Errorf("%w: %s has %d bytes, the manifest says %d", ErrBundle, h.Name, h.Size, want.Size)
		}
		if err := extract(root, in, h.Name, want); err != nil {
			return m, err
		}
	}
	if len(seen) == 0 {
		return m, fmt.Errorf("%w: it is empty", ErrBundle)
	}
	for name := range m.Files {
		if !seen[name] {
			return m, fmt.Errorf("%w: %s is missing", ErrBundle, name)
		}
	}
	return m, m.check()
}

// check says why a member cannot be taken.
func (l Limits) check(h *tar.Header, n int, seen map[string]bool, total int64) error {
	limit := l.Total - total
	switch {
	case h.Name == LogFile:
		limit = min(limit, l.Log)
	case !strings.Contains(h.Name, "/"):
		limit = min(limit, l.Text)
	}
	switch {
	case n >= l.Members:
		return fmt.Errorf("%w: it has more than %d files", ErrBundle, l.Members)
	case n == 0 && h.Name != ManifestName:
		return fmt.Errorf("%w: it begins with %q, not with %s", ErrBundle, h.Name, ManifestName)
	case h.Typeflag != tar.TypeReg:
		return fmt.Errorf("%w: %q is no regular file", ErrBundle, h.Name)
	case !members.MatchString(h.Name) || seen[h.Name]:
		return fmt.Errorf("%w: it has no use for a file %q", ErrBundle, h.Name)
	case h.Size < 0 || h.Size > limit:
		return fmt.Errorf("%w: %s has %d bytes, allowed are %d", ErrBundle, h.Name, h.Size, max(limit, 0))
	}
	return nil
}

func readManifest(r io.Reader) (Manifest, error) {
	var m Manifest
	text, err := io.ReadAll(r) // within Limits.Text
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return m, fmt.Errorf("%w: %s: %w", ErrBundle, ManifestName, err)
	}
	if m.Format != format {
		return m, fmt.Errorf("%w: its format is %d, this version reads %d", ErrBundle, m.Format, format)
	}
	return m, nil
}

// check holds that what the manifest refers to is among the files, under a name of its kind.
func (m Manifest) check() error {
	for _, a := range m.Artefacts {
		if a.File != "" && (m.Files[a.File] != a.Digest || path.Dir(a.File) != "artefacts") {
			return fmt.Errorf("%w: artefact %s is not in %s", ErrBundle, a.Label, a.File)
		}
	}
	for _, t := range m.Trees {
		if _, ok := m.Files[t.File]; t.File != "" && (!ok || path.Dir(t.File) != "trees") {
			return fmt.Errorf("%w: the tree of %s is not in %s", ErrBundle, t.Repository, t.File)
		}
	}
	for _, name := range []string{DefinitionFile, LogFile} {
		if _, ok := m.Files[name]; !ok {
			return fmt.Errorf("%w: it has no %s", ErrBundle, name)
		}
	}
	return nil
}

// extract writes one member and checks its digest.
func extract(root *os.Root, in io.Reader, name string, want Digest) error {
	if dir := filepath.Dir(filepath.FromSlash(name)); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("unpack the bundle: %w", err)
		}
	}
	f, err := root.OpenFile(filepath.FromSlash(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("unpack the bundle: %w", err)
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, sum), in)
	if closed := f.Close(); err == nil {
		err = closed
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it ends within %s", ErrBundle, name)
	case err != nil:
		return fmt.Errorf("unpack the bundle: %w", err)
	case hex.EncodeToString(sum.Sum(nil)) != want.SHA256:
		return fmt.Errorf("%w: %s is damaged: its SHA-256 is not that of the manifest", ErrBundle, name)
	}
	return nil
}
