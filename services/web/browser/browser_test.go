package browser_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/services/web/browser"
)

// TestBrowser holds that the harness sees what there is to see, and finds faults where there are some: a test
// of pages is worth nothing if its eyes are shut.
func TestBrowser(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; img-src data:; form-action 'self'")
		w.Write([]byte(`<!doctype html><html lang=en><meta name=viewport content="width=device-width"><title>One</title><main><h1>Hello ` + r.Header.Get("Authorization") + `</h1>
<form action=/said><label>Name <input name=name></label><button>Say</button></form>
<p hidden>Secret</p><noscript><p>Without scripts</p></noscript><link rel=icon href=data:,><script src=/later.js></script></main></html>`))
	})
	mux.HandleFunc("GET /later.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		w.Write([]byte("requestAnimationFrame(() => document.querySelector('main').append('Later'))"))
	})
	mux.HandleFunc("GET /said", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusTeapot)
		w.Write([]byte(`<!doctype html><title></title><link rel=icon href=data:,><p style="color:#999">Pale ` + r.FormValue("name") + `</p><input>`))
	})
	lab := httptest.NewServer(mux)
	t.Cleanup(lab.Close)
	b := browser.Start(t)

	p := b.Open(t, browser.Options{Lab: lab.URL, Headers: map[string]string{"Authorization": "Token x"}})
	if status := p.Go("/"); status != http.StatusOK || p.At() != "/" {
		t.Errorf("go: status %d at %s", status, p.At())
	}
	p.See("Hello Token x", "Later")
	p.Unsee("Secret")
	p.Examine()
	file := filepath.Join(t.TempDir(), "one.png")
	p.Picture(file)
	if png, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(png), "\x89PNG") {
		t.Errorf("picture: %v, begins with %.8q", err, png)
	}
	p.Fill(browser.Label("Name"), "alice")
	p.Click(browser.Button("Say"))
	p.See("Pale alice")
	if p.At() != "/said?name=alice" || p.Count("p") != 1 {
		t.Errorf("after the form: at %s with %d paragraphs", p.At(), p.Count("p"))
	}
	var found []string
	p.Do("", "examine", &found)
	for _, want := range []string{"color-contrast", "document-title", "html-has-lang", "label"} {
		if !strings.Contains(strings.Join(found, "\n"), want+": ") {
			t.Errorf("a bad page: axe found %q, want %s too", found, want)
		}
	}
	if said := p.Complaints(); len(said) != 1 || !strings.Contains(said[0], "418") {
		t.Errorf("complaints: %q, want the status 418", said)
	}
	if err := p.Try("#none", "click", nil, map[string]int{"timeout": 1}); err == nil {
		t.Error("clicking on nothing has no error")
	}

	bare := b.Open(t, browser.Options{Lab: lab.URL, Scriptless: true, Phone: true, Dark: true})
	bare.Go("/")
	bare.See("Hello")
	if text := bare.Text("main"); !strings.Contains(text, "Without scripts") || strings.Contains(text, "Later") || strings.Contains(text, "Token") {
		t.Errorf("without scripts and token: %q", text)
	}
	var width int
	bare.Eval("innerWidth", &width)
	var dark bool
	bare.Eval("matchMedia('(prefers-color-scheme: dark)').matches", &dark)
	if width != 390 || !dark {
		t.Errorf("a phone at night: %d wide, dark %v", width, dark)
	}
}
