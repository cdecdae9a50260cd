package web

import "net/http"

// themeCookie remembers light or dark; the server draws accordingly, so that no page flashes.
// Not HttpOnly and of no worth to anybody: it is a taste. It is kept for a year, and per browser, not per account.
const themeCookie = "strata-theme"

// theme is what the visitor chose: light, dark, or "" to go by the system.
func theme(r *http.Request) string {
	c, err := r.Cookie(themeCookie)
	if err != nil || c.Value != "light" && c.Value != "dark" {
		return ""
	}
	return c.Value
}

// setTheme remembers a choice and goes back to where it was made.
// It works without JavaScript, and without a name: who may not sign in still may not be able to read dark on light.
func setTheme(q *request) (page, error) {
	chosen := q.PostFormValue("theme")
	age := 365 * 24 * 3600
	switch chosen {
	case "light", "dark":
	// A negative age deletes the cookie, which leaves it to the system (prefers-color-scheme in base.css).
	case "", "auto":
		chosen, age = "", -1
	default:
		return page{}, &Refusal{Code: "invalid", Field: "theme", Message: "theme is " + chosen + "; allowed are light, dark and auto"}
	}
	http.SetCookie(q.w, &http.Cookie{Name: themeCookie, Value: chosen, Path: "/", MaxAge: age, SameSite: http.SameSiteLaxMode, Secure: q.TLS != nil})
	return page{to: q.back("/")}, nil
}
