package main

import (
	"testing"

	"strata/services/web/browser"
)

// accountVisits are signing in, one's profile and one's tokens. Alice is there by a token; in the tab of nobody she
// signs in by her password, and out again.
func accountVisits() []visit {
	const password = "correct horse battery"
	user := func(fact string, texts ...string) func(*testing.T, *pageLab) {
		return func(t *testing.T, l *pageLab) { l.recorded(t, "user/alice", fact, texts...) }
	}
	return []visit{
		{route: "GET /accounts/login", at: "/accounts/login/?next=/scheduler/alldevices", as: "nobody", task: "sign in", shows: []string{"Sign in"}},
		{route: "POST /accounts/login", at: "/accounts/login/?next=/scheduler/alldevices", as: "nobody", task: "mistype the password, then sign in",
			given: func(t *testing.T, l *pageLab) {
				l.call(t, "users.set", map[string]any{"user": "alice", "password": password})
			},
			do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
				p.Fill("main input[name=username]", "alice")
				p.Fill("main input[name=password]", "wrong")
				p.Click("main form button.primary")
				p.Do("main [role=alert]", "waitFor", nil)
				p.Complaints() // the browser says that the answer was no 200
				p.Fill("main input[name=password]", password)
				p.Click("main form button.primary")
				p.Await("location.pathname === '/scheduler/alldevices'")
			}, shows: []string{"alice"}, then: user("session.started")},
		{route: "GET /me", at: "/me/", as: "nobody", task: "see who one is", shows: []string{"alice", "Signed in"}},
		{route: "POST /me", at: "/me/", as: "nobody", task: "change one's name", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#first_name", "Alice")
			p.Click("form[action='/me/'] button")
			p.Await("document.querySelector('#first_name').value === 'Alice'")
		}, then: user("user.configured", "Alice")},
		{route: "POST /me/password", at: "/me/", as: "nobody", task: "change one's password", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#current", password)
			p.Fill("#new", password+" staple")
			p.Fill("#again", password+" staple")
			p.Click("form[action='/me/password'] button")
			p.Await("document.querySelector('p.note')")
		}, then: user("password.set")},
		{route: "POST /update-irc-settings", at: "/me/", as: "nobody", task: "say where one is on IRC", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#irc_handle", "ally")
			p.Click("form[action='/update-irc-settings/'] button")
			p.Await("document.querySelector('#irc_handle').value === 'ally'")
		}, then: user("user.configured", "ally")},
		{route: "POST /update-table-length-setting", at: "/me/", as: "nobody", task: "say how long tables are", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Choose("#table_length", "50")
			p.Click("form[action='/update-table-length-setting/'] button")
			p.Await("document.querySelector('#table_length').value === '50'")
		}, then: user("user.configured", "50")},
		{route: "POST /update-remote-auth", at: "/me/", as: "nobody", task: "keep a token for another server", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#remote-name", "artifacts")
			p.Fill("#remote-token", "hush")
			p.Click("form[action='/update-remote-auth/'] button")
		}, shows: []string{"artifacts"}, then: user("remote-token.set", "artifacts")},
		{route: "GET /delete-remote-auth/{name}", at: "/delete-remote-auth/artifacts", as: "nobody", task: "be asked", shows: []string{"Leave it as it is"}},
		{route: "POST /delete-remote-auth/{name}", at: "/delete-remote-auth/artifacts", as: "nobody", task: "remove it", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click("main form button.primary")
			p.Await("location.pathname.startsWith('/me')")
		}, then: user("remote-token.removed", "artifacts")},
		{route: "GET /api/tokens/create", at: "/api/tokens/create/", as: "nobody", task: "open the form of a token", shows: []string{"What it is for"}},
		{route: "POST /api/tokens/create", at: "/api/tokens/create/", as: "nobody", task: "get a token", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("#description", "for the nightly build")
			p.Click(browser.Button("Get the token"))
		}, shows: []string{"It is shown this once"}, then: user("token.issued", "for the nightly build")},
		{route: "GET /api/tokens", at: "/api/tokens/", as: "nobody", task: "see which programs have one", shows: []string{"for the nightly build"}},
		{route: "GET /api/tokens/{id}/edit", at: "/api/tokens/", as: "nobody", task: "open the form of a token that there is", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click("tr:has-text('nightly') a[href$='/edit/']")
		}, shows: []string{"Change token"}},
		{route: "POST /api/tokens/{id}/edit", at: "/api/tokens/", as: "nobody", task: "say what it is for", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click("tr:has-text('nightly') a[href$='/edit/']")
			p.Fill("#description", "for the weekly build")
			p.Click(browser.Button("Save"))
		}, shows: []string{"for the weekly build"}, then: user("token.described", "for the weekly build")},
		{route: "GET /api/tokens/{id}/delete", at: "/api/tokens/", as: "nobody", task: "be asked before it is revoked", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click("tr:has-text('weekly') a[href$='/delete/']")
		}, shows: []string{"Leave it as it is"}},
		{route: "POST /api/tokens/{id}/delete", at: "/api/tokens/", as: "nobody", task: "revoke it", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click("tr:has-text('weekly') a[href$='/delete/']")
			p.Click("main form button.primary")
			p.Unsee("for the weekly build")
		}, then: user("token.revoked")},
		{route: "GET /api/tokens/delete_unused", at: "/api/tokens/delete_unused/", as: "nobody", task: "be asked", shows: []string{"Leave it as it is"}},
		{route: "POST /api/tokens/delete_unused", at: "/api/tokens/delete_unused/", as: "nobody", task: "revoke what nobody used", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click("main form button.primary")
			p.Await("location.pathname.startsWith('/api/tokens') && !location.pathname.includes('unused')")
		}},
		{route: "GET /accounts/logout", at: "/accounts/logout/", as: "nobody", task: "be asked before one is signed out", shows: []string{"Sign out"}},
		{route: "POST /me/sessions", at: "/me/", as: "nobody", task: "end a session", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Click("#sessions form button >> nth=0")
			p.See("Sign in")
			p.Complaints() // the page that follows is not one's own any more
		}, plain: true},
		{route: "POST /accounts/logout", at: "/accounts/login/", as: "nobody", task: "sign in and out", do: func(_ *testing.T, _ *pageLab, p *browser.Page) {
			p.Fill("main input[name=username]", "alice")
			p.Fill("main input[name=password]", password+" staple")
			p.Click("main form button.primary")
			p.See("alice")
			p.Click(".self details.menu summary")
			p.Click(".self form[action^='/accounts/logout'] button")
			p.See("Sign in")
			p.Complaints() // the page that was left may have asked once more, with a session that had ended
		}},
	}
}
