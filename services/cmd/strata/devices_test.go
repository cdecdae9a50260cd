package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWorkerPhrase(t *testing.T) {
	if none, one := workerPhrase(""), workerPhrase("w1"); none != "no worker" || one != "worker w1" {
		t.Errorf("got %q and %q, want no worker and worker w1", none, one)
	}
}

func TestReadDictionary(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := newWorld(t)
	a := w.app(&out)
	for _, tt := range []struct{ name, text, says string }{
		{"rendered.yaml", "hostname: q1\n", ""},
		{"template.jinja2", "{% extends 'qemu.jinja2' %}\n", ""},
		{"binary", "\xff\xfe\x00", "is not text in UTF-8"},
		{"job.yaml", "job_name: x\n", "job_name: unknown key"},
		{"broken.yaml", "hostname: [q1\n", "flow sequence"},
	} {
		file := filepath.Join(w.dir, tt.name)
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := a.readDictionary(file)
		if tt.says == "" {
			if err != nil || got != tt.text {
				t.Errorf("%s: %q, %v; want it as it is", tt.name, got, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v; want it to name the file and say %q", tt.name, err, tt.says)
		}
	}
	if got, err := a.readDictionary(""); got != "" || err != nil {
		t.Errorf("no file: %q, %v", got, err)
	}
}
