package web

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tokenScopes are what a token can be limited to, each with those before it.
// The words are [events.Scope]'s; LAVA's tokens have no scopes and may do all, which "" is.
var tokenScopes = []pair{{"", "all that I may do"}, {"view", "look"}, {"submit", "look and submit"}, {"change", "look, submit and change"}, {"administer", "look, submit, change and administer"}}

// tokenCrumbs is the way to a page of tokens.
func tokenCrumbs(last string) []crumb {
	if last == "" {
		return []crumb{{"Profile", "/me/"}, {"Tokens", ""}}
	}
	return []crumb{{"Profile", "/me/"}, {"Tokens", "/api/tokens/"}, {last, ""}}
}

// tokens returns the visitor's tokens for programs.
// The api leaves out sessions and words of enrolment, unless asked for: they are ended elsewhere.
func (q *request) tokens() ([]issuedToken, error) {
	if err := q.named(); err != nil {
		return nil, err
	}
	return asked[[]issuedToken](q, "tokens.list", map[string]any{})
}

// tokensPage lists the visitor's tokens.
func tokensPage(q *request) (page, error) {
	all, err := q.tokens()
	if err != nil {
		return page{}, err
	}
	// LAVA counts a token that only REST has used as unused; here each door notes its use.
	unused := 0 // never used by any door: the button counts them, so that nobody revokes more than he thought
	for _, t := range all {
		if t.LastUsed.IsZero() {
			unused++
		}
	}
	return page{template: "tokens", data: map[string]any{"Tokens": all, "Unused": unused}, crumbs: tokenCrumbs(""), help: "people", live: "user/" + q.Name, styles: []string{"query.css"}}, nil
}

// tokenData is what the form of a token shows. An ID makes it the form of a token that there is, of which only the
// description can change: what it may be used for is fixed in what programs have been given.
// Days is a text, as a wrong one is shown again; empty means for ever.
type tokenData struct {
	ID, To, Description, Scope, Days, Wrong string
	Scopes                                  []pair
}

func (d tokenData) page(q *request, err error) (page, error) {
	p := page{template: "token-form", crumbs: tokenCrumbs("New token"), help: "people", styles: []string{"query.css"}}
	if err != nil {
		no, ok := refusal(err)
		if !ok {
			return page{}, err
		}
		d.Wrong, p.status = no.Message, no.status()
	}
	if d.ID != "" {
		p.crumbs = tokenCrumbs("Change token")
	}
	// The struct is copied into p.data below; what is set later is not shown.
	d.Scopes = tokenScopes // before the form takes them
	p.data = d
	return p, nil
}

// tokenForm opens the form of a token: of a new one, or of one that there is.
// Another's token is not found rather than denied: the list has the visitor's own alone.
func tokenForm(q *request) (page, error) {
	all, err := q.tokens()
	if err != nil {
		return page{}, err
	}
	d := tokenData{ID: q.PathValue("id"), To: q.URL.Path, Days: "365"}
	if d.ID != "" {
		i := slices.IndexFunc(all, func(t issuedToken) bool { return t.Token == d.ID })
		if i < 0 {
			return page{}, &Refusal{Code: "not-found", Message: "you have no token " + d.ID}
		}
		d.Description = all[i].Description
	}
	return d.page(q, nil)
}

// issueToken makes a token and shows its value, this once: the lab keeps what it needs to know it again, and a sealed copy
// for callbacks of jobs that name it.
func issueToken(q *request) (page, error) {
	if err := q.named(); err != nil {
		return page{}, err
	}
	d := tokenData{To: q.URL.Path, Description: strings.TrimSpace(q.PostFormValue("description")), Scope: q.PostFormValue("scope"), Days: strings.TrimSpace(q.PostFormValue("days"))}
	in := map[string]any{"description": d.Description}
	if d.Scope != "" {
		in["scopes"] = []string{d.Scope}
	}
	if d.Days != "" {
		days, err := strconv.Atoi(d.Days)
		// A century is a bound, so that the time still fits what is written into the fact.
		if err != nil || days < 1 || days > 36500 {
			return d.page(q, &Refusal{Code: "invalid", Field: "days", Message: fmt.Sprintf("days is %q; allowed are 1 to 36500, or nothing for a token that never expires", d.Days)})
		}
		in["expires"] = q.now.Add(time.Duration(days) * 24 * time.Hour).UTC().Truncate(time.Second)
	}
	token, err := asked[issuedToken](q, "tokens.issue", in)
	if err != nil {
		return d.page(q, err)
	}
	return page{template: "token-value", data: token, title: "New token", crumbs: tokenCrumbs("New token"), styles: []string{"query.css"}}, nil
}

// describeToken says what a token is for.
// LAVA's address of changing a token; what it may do and until when stays, as nobody who has it would learn of a change.
func describeToken(q *request) (page, error) {
	if err := q.named(); err != nil {
		return page{}, err
	}
	d := tokenData{ID: q.PathValue("id"), To: q.URL.Path, Description: strings.TrimSpace(q.PostFormValue("description"))}
	if err := q.ask("tokens.describe", map[string]any{"token": d.ID, "description": d.Description}, nil); err != nil {
		return d.page(q, err)
	}
	return page{to: "/api/tokens/", note: "Saved."}, nil
}

// revokeForm asks before a token is revoked.
// LAVA deletes on GET of this address. Here a link, or a browser that fetches ahead, must not.
func revokeForm(q *request) (page, error) {
	all, err := q.tokens()
	if err != nil {
		return page{}, err
	}
	i := slices.IndexFunc(all, func(t issuedToken) bool { return t.Token == q.PathValue("id") })
	if i < 0 {
		return page{}, &Refusal{Code: "not-found", Message: "you have no token " + q.PathValue("id")}
	}
	name := all[i].Description
	if name == "" {
		name = all[i].Token
	}
	return page{template: "confirm", data: confirmation{Question: "Revoke the token “" + name + "”? Programs that have it are refused from then on.", Button: "Revoke", Post: q.URL.Path, Back: "/api/tokens/"},
		crumbs: tokenCrumbs("Revoke"), styles: []string{"query.css"}}, nil
}

// It is a fact, not a deletion: who used the token before stays known. The next request with it is refused.
func revokeToken(q *request) (page, error) {
	if err := q.ask("tokens.revoke", map[string]any{"token": q.PathValue("id"), "reason": "revoked by its user"}, nil); err != nil {
		return page{}, err
	}
	return page{to: "/api/tokens/", note: "The token is revoked."}, nil
}

func revokeUnusedForm(q *request) (page, error) {
	if err := q.named(); err != nil {
		return page{}, err
	}
	return page{template: "confirm", data: confirmation{Question: "Revoke all tokens that were never used?", Button: "Revoke them", Post: q.URL.Path, Back: "/api/tokens/"},
		crumbs: tokenCrumbs("Revoke unused tokens"), styles: []string{"query.css"}}, nil
}

// revokeUnused revokes the visitor's tokens that were never used.
// It stops at the first that is refused; those before are revoked, and the page of tokens shows which are left.
func revokeUnused(q *request) (page, error) {
	all, err := q.tokens()
	if err != nil {
		return page{}, err
	}
	n := 0
	for _, t := range all {
		if !t.LastUsed.IsZero() {
			continue
		}
		if err := q.ask("tokens.revoke", map[string]any{"token": t.Token, "reason": "never used"}, nil); err != nil {
			return page{}, err
		}
		n++
	}
	return page{to: "/api/tokens/", note: plural(n, "token") + " revoked."}, nil
}
