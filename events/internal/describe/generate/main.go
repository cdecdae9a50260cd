// Command generate writes the JSON Schemas of events and their documentation page.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"strata/events/internal/describe"
)

func main() {
	if err := generate(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate() error {
	root, err := describe.Root(".")
	if err != nil {
		return err
	}
	files, err := describe.Files(root)
	if err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
