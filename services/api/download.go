package api

import (
	"net/http"
	"path"
	"strconv"
	"strings"

	"strata/events"
)

// DownloadHeader returns the headers of an answer that carries bytes which a test made. A browser saves
// them and never shows them: whatever a device calls a page, a script or a picture with scripts in it
// must not run where people are logged in. The type is one of a short list of formats that no program
// executes, by the end of the name; all others are bytes. A name that no file of a test can have becomes "file".
// size is in bytes; below 0 it is not known.
// Doors that hand out files of tests send these and add none of their own that a browser would obey.
func DownloadHeader(name string, size int64) http.Header {
	// A quote or a line's end in it would be a header of the test's own making.
	if !events.FileName(name) {
		name = "file"
	}
	h := http.Header{}
	h.Set("Content-Type", downloadType(name))
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	// For what ignores the two above.
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-transform")
	if size >= 0 {
		h.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	return h
}

// downloadType returns the type of a file by its name. XML is not among the safe ones: it may be a page, or SVG.
// What is not in the list is application/octet-stream, which every browser saves.
func downloadType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".txt", ".log", ".tap", ".ktap":
		return "text/plain; charset=utf-8"
	case ".csv":
		return "text/csv; charset=utf-8"
	case ".json":
		return "application/json"
	case ".png":
		return "image/png"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".gz":
		return "application/gzip"
	case ".zip":
		return "application/zip"
	case ".tar":
		return "application/x-tar"
	}
	return "application/octet-stream"
}
