package browser

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"
)

// Options are who sits in front of a page, and how.
// The zero value is a desktop in light colours with scripts, and nobody signed in.
type Options struct {
	Lab        string            // address that [Page.Go] adds to paths
	Headers    map[string]string // sent with each request, such as Authorization
	Dark       bool              // prefers dark colours
	Phone      bool              // 390×844 with touch instead of 1280×800
	Scriptless bool              // JavaScript is off
}

// Page is one person's tab.
// It is for one goroutine at a time.
type Page struct {
	t   testing.TB
	b   *Browser
	id  string
	lab string
}

// Open returns a new tab, closed at the end of the test, which fails if the browser complained of something
// that a page did: a script that failed, a style that the policy refused, an address that is none.
func (b *Browser) Open(t testing.TB, o Options) *Page {
	t.Helper()
	context := map[string]any{
		"patience": Patience.Milliseconds(), "extraHTTPHeaders": o.Headers, "javaScriptEnabled": !o.Scriptless, "locale": "en-GB", "timezoneId": "UTC",
		"viewport": map[string]int{"width": 1280, "height": 800}, "colorScheme": "light",
	}
	if o.Headers == nil {
		context["extraHTTPHeaders"] = map[string]string{}
	}
	if o.Dark {
		context["colorScheme"] = "dark"
	}
	if o.Phone {
		context["viewport"], context["hasTouch"], context["isMobile"] = map[string]int{"width": 390, "height": 844}, true, true
	}
	p := &Page{t: t, b: b, lab: strings.TrimSuffix(o.Lab, "/")}
	if err := b.tell(order{Do: "open", With: []any{context}}, &p.id); err != nil {
		t.Fatalf("open a page: %v", err)
	}
	t.Cleanup(func() {
		for _, complaint := range p.Complaints() {
			t.Errorf("the browser complains: %s", complaint)
		}
		b.tell(order{Page: p.id, Do: "close", With: []any{p.id}}, nil)
	})
	return p
}

// For returns the same tab for a part of the test, which its failures then belong to.
func (p *Page) For(t testing.TB) *Page {
	copied := *p
	copied.t = t
	return &copied
}

// Do calls a method of playwright's Page, or of the Locator that a selector finds, and decodes what it
// returns into a value, which may be nil.
func (p *Page) Do(on, method string, into any, with ...any) {
	p.t.Helper()
	if err := p.b.tell(order{Page: p.id, On: on, Do: method, With: with}, into); err != nil {
		p.t.Fatalf("%s: %s %s %v: %v\nThe page says:\n%s", p.address(), method, on, with, err, p.said())
	}
}

// Try is Do for what may fail.
func (p *Page) Try(on, method string, into any, with ...any) error {
	return p.b.tell(order{Page: p.id, On: on, Do: method, With: with}, into)
}

// Go opens an address, or a path of the lab, and returns the status of the answer.
// It waits for the document's load event; what scripts do then is waited for by See and Await.
func (p *Page) Go(path string) (status int) {
	p.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = p.lab + path
	}
	p.Do("", "go", &status, path)
	return status
}

// At returns the path, query and fragment that the page is at.
func (p *Page) At() string { return strings.TrimPrefix(p.address(), p.lab) }

// See waits until texts are visible, anywhere on the page.
// Parts of texts are enough, in any case.
func (p *Page) See(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.Do("", "see", nil, text)
	}
}

// Unsee waits until a text is visible nowhere.
func (p *Page) Unsee(text string) {
	p.t.Helper()
	p.Do("", "see", nil, text, false)
}

// Click clicks on what a selector finds.
func (p *Page) Click(on string) {
	p.t.Helper()
	p.Do(on, "click", nil)
}

// Fill writes into a field.
func (p *Page) Fill(on, value string) {
	p.t.Helper()
	p.Do(on, "fill", nil, value)
}

// Choose picks an entry of a list by its words.
func (p *Page) Choose(on, value string) {
	p.t.Helper()
	p.Do(on, "selectOption", nil, value)
}

// Press presses a key wherever the focus is: "j", "Enter", "Control+a".
func (p *Page) Press(keys ...string) {
	p.t.Helper()
	for _, key := range keys {
		p.Do("", "keyboard.press", nil, key)
	}
}

// Text returns the visible text of what a selector finds.
func (p *Page) Text(on string) (text string) {
	p.t.Helper()
	p.Do(on, "innerText", &text)
	return text
}

// Count returns how many elements a selector finds now.
func (p *Page) Count(on string) (n int) {
	p.t.Helper()
	p.Do(on, "count", &n)
	return n
}

// Forget takes the tab's cookies away.
func (p *Page) Forget() {
	p.t.Helper()
	p.Do("", "forget", nil)
}

// Eval runs an expression in the page and decodes its value.
// It runs by the debugger, which a content security policy does not bind.
func (p *Page) Eval(expression string, into any) {
	p.t.Helper()
	p.Do("", "evaluate", into, expression)
}

// Await waits until an expression of the page is true.
// The expression is asked for again and again, so it must change nothing.
func (p *Page) Await(expression string) {
	p.t.Helper()
	if err := p.Try("", "until", nil, expression); err != nil {
		p.t.Fatalf("%s: %s does not come true: %v\nThe page says:\n%s", p.address(), expression, err, p.said())
	}
}

// Complaints returns what the browser complained of since it was last asked.
func (p *Page) Complaints() (all []string) {
	if err := p.b.tell(order{Page: p.id, Do: "complaints"}, &all); err != nil {
		return []string{err.Error()}
	}
	return all
}

// Examine reports whatever axe finds against WCAG 2.2 AA on the page as it is, and whatever of its words cannot
// be read for want of contrast where dark colours are preferred.
func (p *Page) Examine() {
	p.t.Helper()
	p.examine()
	p.Do("", "emulateMedia", nil, map[string]string{"colorScheme": "dark"})
	p.examine("color-contrast")
	p.Do("", "emulateMedia", nil, map[string]string{"colorScheme": "light"})
}

func (p *Page) examine(rules ...any) {
	p.t.Helper()
	var found []string
	p.Do("", "examine", &found, rules...)
	for _, line := range found {
		p.t.Errorf("%s: %s", p.At(), line)
	}
}

// Picture writes what is to be seen, as PNG.
// Only what the window shows, without animations and the caret, so that two pictures of the same are equal.
func (p *Page) Picture(file string) {
	p.t.Helper()
	var text string
	p.Do("", "screenshot", &text, map[string]any{"animations": "disabled", "caret": "hide"})
	picture, err := base64.StdEncoding.DecodeString(text)
	if err == nil {
		err = os.WriteFile(file, picture, 0o644)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// Label selects a field of a form by the words beside it.
func Label(words string) string { return fmt.Sprintf("internal:label=%qs", words) }

// Button selects a button by its words.
func Button(words string) string { return fmt.Sprintf("role=button[name=%q]", words) }

// Link selects a link by its words.
func Link(words string) string { return fmt.Sprintf("role=link[name=%q]", words) }

func (p *Page) address() (url string) {
	if err := p.b.tell(order{Page: p.id, Do: "url"}, &url); err != nil {
		return err.Error()
	}
	return url
}

// said returns the beginning of the page's text, for failures.
func (p *Page) said() (text string) {
	if err := p.b.tell(order{Page: p.id, On: "body", Do: "innerText"}, &text); err != nil {
		return err.Error()
	}
	return text[:min(len(text), 1500)]
}
