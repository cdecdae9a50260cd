package web

import (
	"net/http"
	"strings"
)

// This file has how pages hand out files. What a file holds was written by somebody else, so none of them is anything that
// a browser would run: types are named and not guessed, and all but pictures are saved rather than shown.

// fileTypes are the media types of files by their format.
// YAML's is that of RFC 9512. Of these browsers execute SVG alone, which may hold scripts: [chartPicture] sends a policy with it.
var fileTypes = map[string]string{"csv": "text/csv; charset=utf-8", "yaml": "application/yaml", "json": "application/json", "svg": "image/svg+xml", "png": "image/png"}

// download sends the bytes of a flow as a file. An error before its first byte is a page.
// The flow is written as it comes, so a file may be larger than the memory. Its length is not known before, so it has no
// Content-Length: only an aborted connection tells a client that it is cut.
func (q *request) download(verb string, in any, name, format string) (page, error) {
	begun := false
	err := q.Stream(q.Context(), verb, in, func(_ map[string]string, body []byte) error {
		if !begun {
			begun = true
			h := q.w.Header()
			h.Set("Content-Type", fileTypes[format])
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Cache-Control", "no-store")
			if format != "svg" && format != "png" {
				h.Set("Content-Disposition", `attachment; filename="`+safeFile(name)+"."+format+`"`)
			}
		}
		_, err := q.w.Write(body)
		return err
	})
	switch {
	// net/http closes the connection and logs nothing for this value.
	case err != nil && begun:
		panic(http.ErrAbortHandler) // a file that ends early must not look whole
	case err != nil:
		return page{}, err
	// A query that finds nothing has a file that is empty, with status 200.
	case !begun:
		q.w.Header().Set("Content-Type", fileTypes[format])
	}
	return page{written: true}, nil
}

// safeFile keeps what every file system takes.
// It also keeps quotes and line ends out of the header.
func safeFile(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r) {
			return r
		}
		return '_'
	}, name)
}

// file answers with a file to keep.
// For texts that are at hand whole, of some hundred kilobytes at most.
func (q *request) file(name, contentType, text string) page {
	h := q.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Disposition", `attachment; filename="`+safeFile(name)+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	_, _ = q.w.Write([]byte(text)) // the browser may be gone
	return page{written: true}
}
