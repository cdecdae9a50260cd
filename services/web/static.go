package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
)

//go:embed static
var embedded embed.FS

// file is a static file as it is sent.
// Files are kept whole in memory, plain and compressed: together they are some hundred kilobytes, and none changes while the
// process lives.
type file struct {
	name        string // with the hash of its content: base.1a2b3c4d.css
	contentType string
	// gzip is nil where compressing makes the file no smaller, as of a tiny one.
	body, gzip []byte
	tag        string
	loads      []string // addresses of the modules that it cannot begin without, and that those cannot
}

// files are the static files by both of their names: the one with the hash, which browsers keep for a year,
// and the plain one, which they ask about each time.
// Both names lead to the same *file: who typed an address without a hash, or kept one of an older build, gets what is now.
type files struct {
	byName map[string]*file
}

// imports finds what a module imports from beside itself.
// It reads text and no JavaScript, so a comment or a string that looks like an import of "./x.js" is rewritten as well, and one
// over several lines is found by its last. A name with a directory in it is not found, and the browser would ask for it in vain.
var imports = regexp.MustCompile(`((?:from|import)\s*\(?\s*["'])\./([\w.-]+\.js)(["'])`)

// readFiles reads what is embedded. A module's imports are written anew with the hashes of what they name, so a
// module's own hash covers all that it loads.
// Without that a browser could keep a module for a year that names an old one beside it.
func readFiles() (*files, error) {
	f := &files{byName: map[string]*file{}}
	entries, err := fs.ReadDir(embedded, "static")
	if err != nil {
		return nil, fmt.Errorf("read static files: %w", err)
	}
	for _, e := range entries {
		if _, err := f.read(e.Name(), nil); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// read takes in one file and what it imports. The way is who imports it.
// Modules that import each other in a circle have no hash that covers both, so that is an error of the build.
func (f *files) read(name string, way []string) (*file, error) {
	if known := f.byName[name]; known != nil {
		return known, nil
	}
	for _, before := range way {
		if before == name {
			return nil, fmt.Errorf("static file %s imports itself by way of %s", name, strings.Join(way, ", "))
		}
	}
	body, err := embedded.ReadFile("static/" + name)
	if err != nil {
		return nil, fmt.Errorf("read static file: %w", err)
	}
	var loads []string
	if strings.HasSuffix(name, ".js") {
		var failed error
		body = imports.ReplaceAllFunc(body, func(found []byte) []byte {
			m := imports.FindSubmatch(found)
			// append may write into the caller's array; the callers are done with what lies behind their own way.
			other, err := f.read(string(m[2]), append(way, name))
			if err != nil {
				failed = fmt.Errorf("imported by %s: %w", name, err)
				return found
			}
			if !bytes.Contains(m[1], []byte("(")) { // import("…") waits until it is needed
				loads = append(append(loads, "/static/"+other.name), other.loads...)
			}
			return []byte(string(m[1]) + "./" + other.name + string(m[3]))
		})
		if failed != nil {
			return nil, failed
		}
	}
	// Six bytes tell a hundred files and their versions apart; nobody gains by finding two that agree.
	sum := sha256.Sum256(body)
	hash, ext := hex.EncodeToString(sum[:6]), path.Ext(name)
	slices.Sort(loads)
	one := &file{name: strings.TrimSuffix(name, ext) + "." + hash + ext, contentType: contentType(ext), body: body, tag: `"` + hash + `"`,
		loads: slices.Compact(loads)}
	if z := zipped(body); len(z) < len(body) {
		one.gzip = z
	}
	f.byName[name], f.byName[one.name] = one, one
	return one, nil
}

// zipped compresses as far as it goes.
// Once, at start: pages are packed as they come, with the fastest level, and files with the best.
func zipped(body []byte) []byte {
	var z bytes.Buffer
	w, _ := gzip.NewWriterLevel(&z, gzip.BestCompression) // the level is a valid one
	_, _ = w.Write(body)
	_ = w.Close()
	return z.Bytes()
}

// contentType is the type of a file by its name's end. The machine's own tables are not asked where ours are meant.
// A machine's tables may call .js text/plain, which browsers refuse for a module once nosniff is set.
func contentType(ext string) string {
	switch ext {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(ext)
}

// address returns where a file is, by its plain name.
func (f *files) address(name string) (string, error) {
	one := f.byName[name]
	if one == nil {
		return "", fmt.Errorf("there is no static file %q", name)
	}
	return "/static/" + one.name, nil
}

// loads returns the addresses of all modules that one needs, by its plain name: a page names them, so that the browser
// asks for all at once and not for each as the one before has come.
// Without it a browser learns of a module only from the one that imports it: a round trip for each step of the way.
func (f *files) loads(name string) []string {
	if one := f.byName[name]; one != nil {
		return one.loads
	}
	return nil
}

// known tells whether a browser that names the tags of what it has, has this. What a proxy has packed anew it marks as weak
// (W/"…"), which for a copy is as good.
// RFC 9110, section 13.1.2: If-None-Match compares weakly, and takes a list or *.
func (f *file) known(tags string) bool {
	for tag := range strings.SplitSeq(tags, ",") {
		if tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/"); tag == f.tag || tag == "*" {
			return true
		}
	}
	return false
}

// serve answers GET /static/{name}.
func (f *files) serve(w http.ResponseWriter, r *http.Request) {
	one := f.byName[r.PathValue("name")]
	if one == nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", one.contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	// One tag for both encodings, though strictly they are two representations: Vary keeps caches from mixing them up.
	h.Set("ETag", one.tag)
	h.Set("Vary", "Accept-Encoding")
	// no-cache: it may be kept, and is asked about each time. immutable: not even when somebody reloads the page.
	h.Set("Cache-Control", "no-cache")
	if r.PathValue("name") == one.name {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if one.known(r.Header.Get("If-None-Match")) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := one.body
	if one.gzip != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = one.gzip
	}
	_, _ = w.Write(body) // the browser may be gone
}
