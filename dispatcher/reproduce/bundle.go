package reproduce

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// ManifestName is the first member of a bundle.
const ManifestName = "manifest.json"

// The texts of a bundle, by their names in it. Those that a job did not have are missing.
const (
	DefinitionFile = "definition.yaml"
	DeviceFile     = "device.yaml"
	DispatcherFile = "dispatcher.yaml"
	EnvFile        = "env.yaml"
	EnvDUTFile     = "env-dut.yaml"
	LogFile        = "log.jsonl" // records as JSON, one a line
)

// format names the shape of the manifest; another number is refused.
const format = 1

// Manifest says what a bundle holds.
type Manifest struct {
	Format     int               `json:"strata_bundle"`
	Job        uint64            `json:"job"`
	Display    string            `json:"display"` // the number as users see it: "42", "40.1"
	Name       string            `json:"name,omitempty"`
	Device     string            `json:"device,omitempty"`
	DeviceType string            `json:"device_type,omitempty"`
	Made       time.Time         `json:"made"`
	Versions   map[string]string `json:"versions"` // by program: "strata" made the bundle, "lab", "dispatcher"
	Files      map[string]Digest `json:"files"`    // all members but the manifest
	Artefacts  []Artefact        `json:"artefacts,omitempty"`
	Trees      []Tree            `json:"trees,omitempty"`
	// Redacted counts the values that were taken out, by the file they stood in.
	Redacted map[string]int `json:"redacted,omitempty"`
	Notes    []string       `json:"notes,omitempty"` // what is missing, and why
}

// Digest is what a member must be.
type Digest struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"` // bytes
}

// Artefact is a file that the job downloaded.
type Artefact struct {
	URL   string `json:"url"` // as the plan shows it
	Label string `json:"label"`
	Digest
	File string `json:"file,omitempty"` // its member; "": only the digest is kept
}

// Tree is the content of a test repository.
type Tree struct {
	Repository string `json:"repository"` // these three as the definition has them
	Branch     string `json:"branch,omitempty"`
	Revision   string `json:"revision,omitempty"`
	Commit     string `json:"commit"`
	File       string `json:"file,omitempty"` // a tar; "": it could not be fetched
}

// members are the names that a bundle may have.
var members = regexp.MustCompile(`^(manifest\.json|(definition|device|dispatcher|env|env-dut)\.yaml|log\.jsonl|artefacts/[0-9a-f]{64}|trees/[0-9a-f]{64}\.tar)$`)

// DigestOf reads a file to its end.
func DigestOf(path string) (Digest, error) {
	f, err := os.Open(path)
	if err != nil {
		return Digest{}, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	return Digest{hex.EncodeToString(sum.Sum(nil)), n}, err
}

// Write writes the files of a directory, which have the names of members, and their manifest as a tar.
// It fills in the manifest's format and files.
func Write(w io.Writer, m Manifest, dir string) error {
	m.Format, m.Files = format, map[string]Digest{}
	var names []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if name = filepath.ToSlash(name); !members.MatchString(name) || name == ManifestName {
			return fmt.Errorf("a bundle has no member %s", name)
		}
		names = append(names, name)
		m.Files[name], err = DigestOf(path)
		return err
	})
	if err != nil {
		return fmt.Errorf("gather the bundle: %w", err)
	}
	slices.Sort(names)
	manifest, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	out := tar.NewWriter(w)
	header := func(name string, size int64) error {
		return out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: m.Made.Truncate(time.Second)})
	}
	if err := header(ManifestName, int64(len(manifest))); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	if _, err := out.Write(manifest); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	for _, name := range names {
		if err := header(name, m.Files[name].Size); err != nil {
			return fmt.Errorf("write bundle: %w", err)
		}
		if err := copyFile(out, filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			return fmt.Errorf("write bundle: %w", err)
		}
	}
	return out.Close()
}

func copyFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
