package reproduce

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// noon is when the bundles of these tests are made.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 123, time.UTC)

// made writes a bundle of a small job.
func made(t testing.TB) (Manifest, []byte) {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, DefinitionFile, "job_name: x\n")
	put(t, dir, LogFile, `{"dt":"2026-11-22T12:00:00Z","lvl":"info","msg":"hello"}`+"\n")
	kernel := put(t, dir, "artefacts/"+strings.Repeat("a", 64), "kernel")
	put(t, dir, "trees/"+strings.Repeat("b", 64)+".tar", "tree")
	m := Manifest{Job: 42, Display: "42", Made: noon, Artefacts: []Artefact{{"http://a/kernel", "kernel", kernel, "artefacts/" + strings.Repeat("a", 64)},
		{"http://a/other", "other", Digest{strings.Repeat("c", 64), 7}, ""}},
		Trees: []Tree{{Repository: "r", Commit: "c", File: "trees/" + strings.Repeat("b", 64) + ".tar"}}}
	var out bytes.Buffer
	if err := Write(&out, m, dir); err != nil {
		t.Fatal(err)
	}
	return m, out.Bytes()
}

func TestWriteOpen(t *testing.T) {
	t.Parallel()
	m, body := made(t)
	if !IsBundle(body) || IsBundle([]byte("job_name: x\n")) || IsBundle(body[:100]) {
		t.Error("IsBundle does not tell a bundle from a job definition")
	}
	dir := t.TempDir()
	got, err := Open(bytes.NewReader(body), dir, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if got.Job != 42 || !reflect.DeepEqual(got.Artefacts, m.Artefacts) || !reflect.DeepEqual(got.Trees, m.Trees) || len(got.Files) != 4 {
		t.Errorf("manifest:\n got %+v\nwant %+v", got, m)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "artefacts", strings.Repeat("a", 64))); err != nil || string(text) != "kernel" {
		t.Errorf("kernel: %q, %v", text, err)
	}
	if err := Write(&bytes.Buffer{}, m, t.TempDir()); err != nil {
		t.Errorf("an empty directory: %v", err)
	}
	stray := t.TempDir()
	put(t, stray, "stray.txt", "x")
	if err := Write(&bytes.Buffer{}, m, stray); err == nil || !strings.Contains(err.Error(), "no member stray.txt") {
		t.Errorf("a stray file: %v", err)
	}
}

// TestOpenRefuses hands over what no bundle may be. Nothing is written outside of the directory.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	_, body := made(t)
	small := DefaultLimits()
	tests := []struct {
		name   string
		body   []byte
		limits Limits
		want   string
	}{
		{"nothing", nil, small, "it is empty"},
		{"no tar", []byte(strings.Repeat("x", 2000)), small, "invalid tar header"},
		{"cut short", body[:len(body)-2500], small, "is missing"},
		{"damaged", bytes.Replace(body, []byte("kernel\x00"), []byte("kernal\x00"), 1), small, "is damaged: its SHA-256 is not that of the manifest"},
		{"no manifest", pack(t, header{"definition.yaml", "x", tar.TypeReg}), small, `it begins with "definition.yaml"`},
		{"newer", pack(t, header{ManifestName, `{"strata_bundle": 2}`, tar.TypeReg}), small, "its format is 2, this version reads 1"},
		{"no JSON", pack(t, header{ManifestName, `{`, tar.TypeReg}), small, "manifest.json: unexpected end"},
		{"leads out", pack(t, manifest(), header{"../../evil", "x", tar.TypeReg}), small, `no use for a file "../../evil"`},
		{"absolute", pack(t, manifest(), header{"/etc/passwd", "x", tar.TypeReg}), small, `no use for a file "/etc/passwd"`},
		{"a link", pack(t, manifest(), header{"definition.yaml", "", tar.TypeSymlink}), small, `"definition.yaml" is no regular file`},
		{"a device", pack(t, manifest(), header{"definition.yaml", "", tar.TypeChar}), small, `"definition.yaml" is no regular file`},
		{"twice", pack(t, manifest(), manifest()), small, `no use for a file "manifest.json"`},
		{"unknown to the manifest", pack(t, manifest(), header{"definition.yaml", "x", tar.TypeReg}), small, "definition.yaml has 1 bytes, the manifest says 0"},
		{"lacks a member", pack(t, header{ManifestName, `{"strata_bundle":1,"files":{"log.jsonl":{}}}`, tar.TypeReg}), small, "log.jsonl is missing"},
		{"lacks the definition", pack(t, manifest()), small, "it has no definition.yaml"},
		{"too many", body, Limits{Members: 2, Text: 1 << 20, Log: 1 << 20, Total: 1 << 20}, "more than 2 files"},
		{"a large text", body, Limits{Members: 9, Text: 20, Log: 1 << 20, Total: 1 << 20}, "allowed are 20"},
		{"a large log", body, Limits{Members: 9, Text: 1 << 20, Log: 10, Total: 1 << 20}, "allowed are 10"},
		{"large", body, Limits{Members: 9, Text: 1 << 20, Log: 1 << 20, Total: 300}, "bytes, allowed are"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "a", "b")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			_, err := Open(bytes.NewReader(tt.body), dir, tt.limits)
			if !errors.Is(err, ErrBundle) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want ErrBundle with %q", err, tt.want)
			}
		})
	}
}

// FuzzOpen holds that no input crashes Open or makes it write more than it may.
func FuzzOpen(f *testing.F) {
	_, body := made(f)
	f.Add(body)
	f.Add(body[:700])
	f.Fuzz(func(t *testing.T, body []byte) {
		dir := t.TempDir()
		_, err := Open(bytes.NewReader(body), dir, Limits{Members: 5, Text: 4096, Log: 4096, Total: 8192})
		total := int64(0)
		_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, _ error) error {
			if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
				total += info.Size()
			}
			return nil
		})
		if total > 8192 || err != nil && !errors.Is(err, ErrBundle) && !strings.Contains(err.Error(), "unpack the bundle") {
			t.Errorf("%d bytes on disk, %v", total, err)
		}
	})
}

type header struct {
	name, text string
	kind       byte
}

func manifest() header {
	text, _ := json.Marshal(Manifest{Format: 1})
	return header{ManifestName, string(text), tar.TypeReg}
}

func pack(t *testing.T, members ...header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Typeflag: m.kind, Size: int64(len(m.text)), Mode: 0o644}
		if m.kind == tar.TypeSymlink {
			h.Linkname = "/etc/passwd"
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func put(t testing.TB, dir, name, text string) Digest {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := DigestOf(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
