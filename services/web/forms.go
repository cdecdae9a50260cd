package web

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// This file has what all forms have in common: how they ask before they do something, how what they send is read, and how
// what the lab refused comes back to them. A form that was refused is drawn again with what was typed in it and the
// sentence above it, so that nobody types twice.

// confirmation asks before something is done. LAVA does these things on GET; a link that somebody else planted would
// do them too, so here the address asks and its button does.
// Fields are sent along unseen, for a form whose address alone does not say what it is about.
type confirmation struct {
	Question, Button string
	Post, Back       string // address that does it; address that does not
	Fields           []pair
}

// withWrong adds what was wrong with a form to the data of its page.
// Denied is an error page of its own: filling in the form again would not help. Data has to be a map[string]any, as the
// template reads .Data.Wrong from it.
func (q *request) withWrong(p page, wrong error) (page, error) {
	if wrong == nil {
		return p, nil
	}
	no, ok := refusal(wrong)
	if !ok || no.Code == "denied" {
		return page{}, wrong
	}
	p.data.(map[string]any)["Wrong"], p.status = no.Message, no.status()
	return p, nil
}

// unknownDo refuses a form that does not say what it is for: taken for the whole form, one that lacks most fields
// would empty them.
// The words are those of the page's buttons (name="do"). A browser that sends a form by Enter sends the first one's.
func unknownDo(q *request, allowed ...string) error {
	return &Refusal{Code: "invalid", Field: "do", Message: fmt.Sprintf("do is %q; allowed are %s", q.PostFormValue("do"), strings.Join(allowed, ", "))}
}

// number reads a number of an address; what is none is 0.
// Who needs to tell 0 from what is no number reads it with strconv: ids and offsets, for which this is, begin at 1 or mean
// "from the start" by 0.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// nonZero is a number as an address has it, "" for 0, which leaves it out.
func nonZero(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// oneOf returns a word if it is among those allowed, else the fallback.
// For what an address chooses among, where a word that is none is no reason for an error: old links go on to work.
func oneOf(word, fallback string, allowed ...string) string {
	if slices.Contains(allowed, word) {
		return word
	}
	return fallback
}

// refusal returns what the lab refused, if err is that.
func refusal(err error) (*Refusal, bool) {
	var no *Refusal
	ok := errors.As(err, &no)
	return no, ok
}
