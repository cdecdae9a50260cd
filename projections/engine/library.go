package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// LibraryVersion is the release of libchdb that the binding was written against: ClickHouse 26.7.
// The script get-library.sh fetches the same one.
const LibraryVersion = "26.7.3-stable.1"

// ErrNoLibrary reports that libchdb is not on this machine. The engine cannot start without it;
// a server named by STRATA_CLICKHOUSE_DSN can take its place.
var ErrNoLibrary = errors.New("the ClickHouse engine's library is missing")

// installed is where the Debian package strata-engine has the library.
const installed = "/usr/lib/strata/libchdb-" + LibraryVersion + ".so"

// Library returns the path of libchdb.so: the one that STRATA_CHDB_LIB names, or else the one in
// the system's directory, or else the one in the user's cache directory. Where none is a file, the error is [ErrNoLibrary] and says how to
// get it.
func Library() (string, error) {
	if path := os.Getenv("STRATA_CHDB_LIB"); path != "" {
		if err := isFile(path); err != nil {
			return "", fmt.Errorf("%w: STRATA_CHDB_LIB: %w", ErrNoLibrary, err)
		}
		return path, nil
	}
	if isFile(installed) == nil {
		return installed, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: find the cache directory: %w", ErrNoLibrary, err)
	}
	path := filepath.Join(cache, "strata", "libchdb-"+LibraryVersion, "libchdb.so")
	if err := isFile(path); err != nil {
		return "", fmt.Errorf("%w: %w; `make` gets it (projections/engine/get-library.sh), "+
			"STRATA_CHDB_LIB names another, STRATA_CLICKHOUSE_DSN a server instead", ErrNoLibrary, err)
	}
	return path, nil
}

// isFile says why path is not an ordinary file.
func isFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no %s", path)
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file", path)
	}
	return nil
}
