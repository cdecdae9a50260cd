package api_test

import (
	"mime"
	"testing"

	"strata/services/api"
)

// Whatever a file is called, a browser saves it, and is told no type that it could run.
func TestDownloadHeader(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, saved, typ string }{
		{"trace.dat", "trace.dat", "application/octet-stream"},
		{"boot.log", "boot.log", "text/plain"},
		{"RESULT.JSON", "RESULT.JSON", "application/json"},
		{"shot.png", "shot.png", "image/png"},
		{"data.tar.gz", "data.tar.gz", "application/gzip"},
		{"page.html", "page.html", "application/octet-stream"},
		{"page.HTM", "page.HTM", "application/octet-stream"},
		{"page.xhtml", "page.xhtml", "application/octet-stream"},
		{"draw.svg", "draw.svg", "application/octet-stream"},
		{"run.js", "run.js", "application/octet-stream"},
		{"junit.xml", "junit.xml", "application/octet-stream"},
		{"paper.pdf", "paper.pdf", "application/octet-stream"},
		{"page.html.", "page.html.", "application/octet-stream"},
		{"noend", "noend", "application/octet-stream"},
		{".log", ".log", "text/plain"},
		{"", "file", "application/octet-stream"},
		{"..", "file", "application/octet-stream"},
		{"a\"; filename=\"x.html", "file", "application/octet-stream"},
		{"a\r\nSet-Cookie: x=1.log", "file", "application/octet-stream"},
		{"../../x.log", "file", "application/octet-stream"},
		{"größe.log", "file", "application/octet-stream"},
	} {
		h := api.DownloadHeader(tt.name, 5)
		how, with, err := mime.ParseMediaType(h.Get("Content-Disposition"))
		if err != nil || how != "attachment" || with["filename"] != tt.saved {
			t.Errorf("%q: disposition %q, %v; want %q saved", tt.name, h.Get("Content-Disposition"), err, tt.saved)
		}
		if typ, _, err := mime.ParseMediaType(h.Get("Content-Type")); err != nil || typ != tt.typ {
			t.Errorf("%q: type %q, %v; want %s", tt.name, h.Get("Content-Type"), err, tt.typ)
		}
		for key, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox", "Content-Length": "5"} {
			if got := h.Get(key); got != want {
				t.Errorf("%q: %s is %q, want %q", tt.name, key, got, want)
			}
		}
	}
	if h := api.DownloadHeader("x", -1); h.Get("Content-Length") != "" {
		t.Errorf("a length that nobody knows is %q", h.Get("Content-Length"))
	}
}
