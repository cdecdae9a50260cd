package test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"strata/dispatcher/pipeline"
	"strata/events"
	"strata/schemas/results"
)

// Tests that run on the worker leave files there. Which of them are kept the job says, in the block's
// list `files`: patterns of names below the directory in which the test works.
const (
	mostNamed  = 100               // files of a block
	downloaded = "/lava-downloads" // what a container calls the downloads of the job
)

// place is where a suite of a block works.
type place struct {
	suite string // "0_smoke"
	name  string // as the job calls it: "smoke"
	dir   string // on the worker
}

// downloads returns the directory with what the job's deploys of the namespace have fetched.
func downloads(s *pipeline.Session) string {
	return filepath.Join(s.JobDir(), "downloads", s.Block().Get("downloads-namespace").TextOr(s.Namespace()))
}

// checkNamed checks the block's list of files.
func checkNamed(s *pipeline.Session) {
	for _, item := range s.Block().Get("files").Items() {
		pattern := item.Get("path").Text()
		_, err := path.Match(pattern, "")
		if rest, below := strings.CutPrefix(pattern, downloaded+"/"); err != nil || !filepath.IsLocal(rest) || !below && path.IsAbs(pattern) {
			s.Invalid("files: '%s' is no pattern of files below the test's directory or below %s", pattern, downloaded)
		}
		if kind := item.Get("kind").Text(); kind != "" && !slices.Contains(results.Readable(), kind) {
			s.Invalid("files: kind '%s' of '%s' is none of %s", kind, pattern, strings.Join(results.Readable(), ", "))
		}
	}
}

// keepNamed keeps the files that the block's list names, whether its tests ended well or not. What is not there,
// or too much, is said and costs nothing else.
func keepNamed(s *pipeline.Session, places []place) {
	left := mostNamed
	for _, item := range s.Block().Get("files").Items() {
		pattern, wanted := item.Get("path").Text(), item.Get("suite").Text()
		found := 0
		for i, p := range places {
			rest, below := strings.CutPrefix(pattern, downloaded+"/")
			switch {
			case below && (wanted == "" && i > 0):
				continue // one directory for all: its files belong to the first
			case wanted != "" && wanted != p.name && wanted != p.suite:
				continue
			case below:
				p.dir = downloads(s)
			}
			f := events.File{Suite: p.suite, Case: item.Get("case").Text(), Kind: item.Get("kind").Text()}
			n := keepMatching(s, p.dir, rest, f, left)
			found, left = found+n, left-n
			if i+1 < len(places) && places[i+1].dir == p.dir && wanted == "" {
				break // likewise
			}
		}
		if found == 0 {
			s.Log.Warning("No file is kept of '%s'", pattern)
		}
	}
}

// keepMatching keeps at most most files that match a pattern below a directory.
func keepMatching(s *pipeline.Session, dir, pattern string, f events.File, most int) (kept int) {
	// Tests in a container write here as root: a link of theirs must not show what else the worker has.
	root, err := os.OpenRoot(dir)
	if err != nil {
		s.Log.Debug("files of the test: %s", err)
		return 0
	}
	defer root.Close()
	names, err := fs.Glob(root.FS(), pattern)
	if err != nil {
		s.Log.Error("files: '%s': %s", pattern, err)
	}
	limit := s.Log.FileLimits().File
	for _, name := range names {
		if kept >= most {
			s.Log.Error("File %s is not kept: a test block keeps at most %d files", name, mostNamed)
			break
		}
		data, err := readRegular(root, name, limit)
		if err != nil {
			s.Log.Error("File %s is not kept: %s", name, err)
			continue
		}
		f.Name = fileName(path.Base(name))
		if int64(len(data)) > limit {
			s.Log.Error("A file is not kept: file %s has more than %d bytes, the most that is kept of one file", f.Name, limit)
			continue
		}
		keepFile(s.Log, f, data)
		kept++
	}
	return kept
}
