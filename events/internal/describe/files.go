package describe

import (
	"errors"
	"os"
	"path/filepath"

	"strata/events"
)

// Root returns the repository's root: the folder above dir that has go.work.
func Root(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		if filepath.Dir(dir) == dir {
			return "", errors.New("no go.work in any folder above")
		}
		dir = filepath.Dir(dir)
	}
}

// Files returns all generated files by path below the repository's root. Schemas of older versions
// are not among them: they stay as they were.
func Files(root string) (map[string][]byte, error) {
	s, err := Read(filepath.Join(root, "events"))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{filepath.Join("docs", "events.md"): s.Page()}
	for _, e := range events.Catalogue() {
		schema, err := s.Schema(e)
		if err != nil {
			return nil, err
		}
		files[SchemaPath(e.Schema())] = schema
	}
	return files, nil
}

// SchemaPath returns where the schema of that name lies below the repository's root.
func SchemaPath(schema string) string {
	return filepath.Join("schemas", "events", schema+".schema.json")
}
