package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// accountRoutes are signing in and out, and what somebody sees to of its own account.
// Addresses outside of /me are LAVA's, with the names of its fields; those below /me it has not.
func accountRoutes() []route {
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		{get, "/accounts/login", signInForm, "Sign in", "sign in"},
		{post, "/accounts/login", signIn, "Sign in", "sign in with a name and a password"},
		{get, "/accounts/logout", signOutForm, "Sign out", "be asked before one is signed out"},
		{post, "/accounts/logout", signOut, "", "sign out"},
		{get, "/me", profilePage, "Profile", "see one's account, groups and sessions"},
		{post, "/me", saveProfile, "Profile", "change one's name and mail"},
		{post, "/me/password", setPassword, "", "change one's password"},
		{post, "/me/sessions", endSession, "", "end a session in another browser"},
		{post, "/update-irc-settings", saveIRC, "", "say where one is on IRC"},
		{post, "/update-table-length-setting", saveTableLength, "", "say how long tables are"},
		{post, "/update-remote-auth", saveRemote, "", "keep a token for another server's files"},
		{get, "/delete-remote-auth/{name}", removeRemoteForm, "Remove a token", "be asked before such a token is removed"},
		{post, "/delete-remote-auth/{name}", removeRemote, "", "remove a token for another server's files"},
		{get, "/api/tokens", tokensPage, "Tokens", "see which programs have a token, and when they used it"},
		{get, "/api/tokens/create", tokenForm, "New token", "open the form of a token"},
		{post, "/api/tokens/create", issueToken, "New token", "get a token for a program"},
		{get, "/api/tokens/{id}/edit", tokenForm, "Change token", "open the form of a token that there is"},
		{post, "/api/tokens/{id}/edit", describeToken, "Change token", "say what a token is for"},
		{get, "/api/tokens/{id}/delete", revokeForm, "Revoke token", "be asked before a token is revoked"},
		{post, "/api/tokens/{id}/delete", revokeToken, "", "revoke a token"},
		{get, "/api/tokens/delete_unused", revokeUnusedForm, "Revoke unused tokens", "be asked before all tokens that were never used are revoked"},
		{post, "/api/tokens/delete_unused", revokeUnused, "", "revoke all tokens that were never used"},
	}
}

// Provider is somebody else who knows the lab's users, to whom browsers are sent for signing in.
// To is an address of this lab, which redirects to the provider's; the page adds ?next=.
type Provider struct{ Name, To string }

// nextOf is where a sign-in leads to: an address on this site. The pages of signing in are none to come back to: the one
// of signing out would be the next thing that somebody sees.
// A path below /accounts/ is refused as a whole, which also keeps sign-in from leading to itself.
func nextOf(text string) string {
	if to := onSite(text, "/"); !strings.HasPrefix(to, "/accounts/") {
		return to
	}
	return "/"
}

// signInData is what the form of signing in shows.
// The password is never among it: what is refused is typed again.
type signInData struct {
	Next, User, Wrong string
	Providers         []Provider
	Password          bool // this process can sign people in
}

func (q *request) signInPage(wrong string, status int, next, user string) page {
	d := signInData{Next: next, User: user, Wrong: wrong, Password: q.site.d.SignIn != nil}
	if q.site.d.Providers != nil {
		for _, p := range q.site.d.Providers() {
			to := p.To + "?" + url.Values{"next": {next}}.Encode()
			d.Providers = append(d.Providers, Provider{p.Name, to})
		}
	}
	return page{template: "sign-in", data: d, status: status, styles: []string{"query.css"}, help: "people"}
}

// signInForm asks who somebody is.
func signInForm(q *request) (page, error) {
	return q.signInPage("", 0, nextOf(q.URL.Query().Get("next")), ""), nil
}

// signIn lets somebody in who has the right password. Whether the name or the password was wrong nobody is told.
func signIn(q *request) (page, error) {
	next, user := nextOf(q.PostFormValue("next")), strings.TrimSpace(q.PostFormValue("username"))
	if q.site.d.SignIn == nil {
		return page{}, &Refusal{Code: "away", Message: "this process signs nobody in"}
	}
	err := q.site.d.SignIn(q.w, q.Request, user, q.PostFormValue("password"))
	if no, ok := refusal(err); ok {
		return q.signInPage(no.Message, cmp.Or(no.status(), http.StatusForbidden), next, user), nil
	}
	if err != nil {
		return page{}, err
	}
	return page{to: next}, nil
}

func signOutForm(q *request) (page, error) {
	return page{template: "confirm", data: confirmation{Question: "Sign out?", Button: "Sign out", Post: "/accounts/logout/", Back: "/"}, styles: []string{"query.css"}}, nil
}

// signOut ends the session, in the lab too.
func signOut(q *request) (page, error) {
	if q.site.d.SignOut != nil {
		if err := q.site.d.SignOut(q.w, q.Request); err != nil {
			return page{}, err
		}
	}
	return page{to: "/", note: "You are signed out."}, nil
}

// account is an account as the api tells of it. Identity is by whom it is known where that is not the lab: a directory or a
// provider; such an account has no password here. TableLength is 0 where its user never said.
// Fields that this page does not show, such as an account's seal of a password, never leave the api.
type account struct {
	User        string    `json:"user"`
	Email       string    `json:"email"`
	FirstName   string    `json:"first_name"`
	LastName    string    `json:"last_name"`
	Active      bool      `json:"active"`
	Staff       bool      `json:"staff"`
	Superuser   bool      `json:"superuser"`
	IRCHandle   string    `json:"irc_handle"`
	IRCServer   string    `json:"irc_server"`
	TableLength int       `json:"table_length"`
	Identity    string    `json:"identity"`
	Permissions []string  `json:"permissions"`
	Groups      []string  `json:"groups"`
	HasPassword bool      `json:"has_password"`
	Tokens      int       `json:"tokens"`
	Added       time.Time `json:"added"`
	LastUse     time.Time `json:"last_use"`
}

// groupOf is a group with its members.
// It is what groups.show and groups.list answer.
type groupOf struct {
	Group       string   `json:"group"`
	Users       []string `json:"users"`
	Permissions []string `json:"permissions"`
}

// issuedToken is a token as lists show it. Token is its public number; Value is the secret, which only the answer to
// tokens.issue has. Kind tells tokens, "", from the sessions of browsers and the words of enrolling workers; Means and From say
// how and from where a session began.
// Times that never came are zero: Expires of a token that does not, LastUsed of one that was not used.
type issuedToken struct {
	User        string    `json:"user"`
	Token       string    `json:"token"`
	Description string    `json:"description"`
	Scopes      []string  `json:"scopes"`
	Issued      time.Time `json:"issued"`
	Expires     time.Time `json:"expires"`
	LastUsed    time.Time `json:"last_used"`
	From        string    `json:"from"`
	ActingFor   string    `json:"acting_for"`
	Kind        string    `json:"kind"`
	Means       string    `json:"means"`
	Value       string    `json:"value"`
}

// named refuses visitors without a name.
// Denied: the error page offers to sign in to who has no name ([Site.failed]).
func (q *request) named() error {
	if !q.SignedIn {
		return &Refusal{Code: "denied", Message: "this is about your own account; sign in first"}
	}
	return nil
}

// profilePage shows an account to its user.
func profilePage(q *request) (page, error) { return q.profile(nil) }

// groupsShown is how many of somebody's groups the profile tells the members of: each is a question to the api.
const groupsShown = 20

// profile draws the profile, with what was wrong with a form of it.
func (q *request) profile(wrong error) (page, error) {
	if err := q.named(); err != nil {
		return page{}, err
	}
	data := map[string]any{}
	p := page{template: "profile", data: data, crumbs: []crumb{{"Profile", ""}}, help: "people", styles: []string{"query.css"}, live: "user/" + q.Name}
	if wrong != nil {
		no, ok := refusal(wrong)
		if !ok {
			return page{}, wrong
		}
		data["Wrong"], p.status = no.Message, no.status()
	}
	me, err := asked[account](q, "users.show", map[string]any{"user": q.Name})
	if no, ok := refusal(err); err != nil && (!ok || no.Code != "not-found") {
		return page{}, err // a form with nothing in it would empty the account when it is sent
	}
	if err != nil {
		// Who started the lab is known by name before there is an account.
		me = account{User: q.Name, Active: true, Superuser: q.Superuser, Staff: q.Staff}
	}
	var groups []groupOf
	for i, name := range me.Groups {
		if i >= groupsShown {
			groups = append(groups, groupOf{Group: name}) // by its name alone
			continue
		}
		if g, err := asked[groupOf](q, "groups.show", map[string]any{"group": name}); err == nil {
			groups = append(groups, g)
		}
	}
	all, err := asked[[]issuedToken](q, "tokens.list", map[string]any{"sessions": true})
	if err != nil {
		return page{}, err
	}
	// Tokens have a page of their own; a session is ended where somebody finds out that a browser was left open.
	// The one that asks is among them and is not marked: the api does not tell which it is.
	sessions := slices.DeleteFunc(all, func(t issuedToken) bool { return t.Kind != "session" })
	remote, err := asked[[]struct {
		Name string `json:"name"`
	}](q, "remote-tokens.list", nil)
	if err != nil {
		remote = nil
	}
	data["Me"], data["Groups"], data["Sessions"], data["Remote"] = me, groups, sessions, remote
	data["Lengths"] = []int{10, 25, 50, 100, 500}
	return p, nil
}

// change sends a change of the visitor's own account, and goes back to the profile. The name is the session's and not the
// form's, so that no form can be about somebody else.
// The verb leaves what is not named as it is, so each form of the page sends its own fields alone.
func (q *request) change(note string, set map[string]any) (page, error) {
	if err := q.named(); err != nil {
		return page{}, err
	}
	set["user"] = q.Name
	if err := q.ask("users.set", set, nil); err != nil {
		return q.profile(err)
	}
	return page{to: "/me/", note: note}, nil
}

func saveProfile(q *request) (page, error) {
	return q.change("Saved.", map[string]any{"email": q.PostFormValue("email"), "first_name": q.PostFormValue("first_name"), "last_name": q.PostFormValue("last_name")})
}

// setPassword asks for the current one even in a session: an unlocked screen must not be enough to take an account over. The
// api checks it, and ends the other sessions.
func setPassword(q *request) (page, error) {
	if q.PostFormValue("password") == "" { // the verb takes that for no password any more
		return q.profile(&Refusal{Code: "invalid", Field: "password", Message: "the new password is empty"})
	}
	if q.PostFormValue("password") != q.PostFormValue("again") {
		return q.profile(&Refusal{Code: "invalid", Field: "again", Message: "the two new passwords differ"})
	}
	return q.change("The password is changed, and your other sessions are over.", map[string]any{"password": q.PostFormValue("password"), "current": q.PostFormValue("current")})
}

func saveIRC(q *request) (page, error) {
	return q.change("Saved.", map[string]any{"irc_handle": q.PostFormValue("irc_handle"), "irc_server": q.PostFormValue("irc_server")})
}

// saveTableLength takes 0, or nothing, for "as the lab has it"; the api allows up to 1,000.
func saveTableLength(q *request) (page, error) {
	text := cmp.Or(q.PostFormValue("table_length"), "0")
	n, err := strconv.Atoi(text)
	if err != nil {
		return q.profile(&Refusal{Code: "invalid", Field: "table_length", Message: "table_length is " + strconv.Quote(text) + "; allowed are numbers"})
	}
	return q.change("Saved.", map[string]any{"table_length": n})
}

// endSession ends a session, which may be the one that asks: then the next page has no name.
func endSession(q *request) (page, error) {
	if err := q.ask("tokens.revoke", map[string]any{"token": q.PostFormValue("session"), "reason": "ended in the profile"}, nil); err != nil {
		return q.profile(err)
	}
	return page{to: "/me/", note: "That session is over."}, nil
}

// saveRemote keeps a secret that jobs fetch files with. It goes in and never comes out: the form is empty again.
// LAVA's form has an id too, empty for a new one; here the name says which is meant, and a name that is there is replaced.
func saveRemote(q *request) (page, error) {
	if err := q.ask("remote-tokens.set", map[string]any{"name": strings.TrimSpace(q.PostFormValue("name")), "token": q.PostFormValue("token")}, nil); err != nil {
		return q.profile(err)
	}
	return page{to: "/me/", note: "Kept. Jobs of yours may name it; nobody is shown it again."}, nil
}

// removeRemoteForm asks first: LAVA removes on GET, and bookmarks of that address must do no harm here.
func removeRemoteForm(q *request) (page, error) {
	if err := q.named(); err != nil {
		return page{}, err
	}
	return page{template: "confirm", data: confirmation{Question: "Remove the token " + q.PathValue("name") + "? Jobs that name it fail then.", Button: "Remove", Post: q.URL.Path, Back: "/me/"},
		styles: []string{"query.css"}}, nil
}

// removeRemote goes by the token's name. LAVA has its number in this address, which nothing shows here.
func removeRemote(q *request) (page, error) {
	if err := q.ask("remote-tokens.remove", map[string]any{"name": q.PathValue("name")}, nil); err != nil {
		return page{}, err
	}
	return page{to: "/me/", note: "Removed."}, nil
}
