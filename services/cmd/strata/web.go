package main

import (
	"context"
	"errors"
	"net/http"

	"strata/services/api"
	"strata/services/api/door"
	"strata/services/web"
)

// newSite returns the pages. That they cannot be made is a fault of the build.
func (s surroundings) newSite(in api.Inside) http.Handler {
	site, err := web.New(web.Deps{Who: s.visitor(in), Now: s.now, Logger: s.logger.With("service", "web"), Name: s.config.Name, Version: version,
		Interfaces: describedInterfaces, ExtraContext: s.config.Jobs.ExtraContext, Bundle: s.webBundle, SignIn: signIn(in), SignOut: signOut(in), Providers: s.providers})
	if err != nil {
		s.logger.Error("the pages are away", "err", err)
		return http.NotFoundHandler()
	}
	return site
}

// providers are who else browsers may be sent to for signing in.
func (s surroundings) providers() []web.Provider {
	if s.vouch.oidc == nil {
		return nil
	}
	return []web.Provider{{Name: s.vouch.oidc.Label(), To: "/oidc/authenticate/"}}
}

// visitor says who looks at a page and hands over the api in his name.
// Pages get the api as closures, in one visitor's name: no page can ask in another's, and services/web
// need not know services/api.
func (s surroundings) visitor(in api.Inside) func(*http.Request) (web.Visitor, error) {
	return func(r *http.Request) (web.Visitor, error) {
		credential, err := door.Read(r)
		if err != nil {
			return web.Visitor{}, err
		}
		who, err := door.Who(in, r, credential)
		if errors.Is(err, api.ErrUnknownToken) && r.Header.Get("Authorization") == "" {
			// A session that is over is no reason to show nothing: whoever comes with one has to see where to sign in.
			r = r.Clone(r.Context())
			r.Header.Del("Cookie")
			who, err = door.Who(in, r, credential)
		}
		if err != nil {
			return web.Visitor{}, err
		}
		v := web.Visitor{Name: string(who.User), SignedIn: who.User != "", Staff: in.Staff(who), Superuser: in.Superuser(who)}
		v.Call = func(ctx context.Context, verb string, ask, out any) error {
			return refusal(in.Call(ctx, who, verb, ask, out))
		}
		v.Stream = func(ctx context.Context, verb string, ask any, each func(map[string]string, []byte) error) error {
			return refusal(in.Stream(ctx, who, verb, ask, func(p api.Piece) error { return each(p.Header, p.Body) }))
		}
		v.Submit = func(ctx context.Context, definition []byte, id string) (uint64, error) {
			job, err := in.Submit(ctx, who, definition, id)
			return uint64(job), refusal(err)
		}
		return v, nil
	}
}

// signIn gives browsers sessions. Whether the name or the password was wrong nobody is told.
func signIn(in api.Inside) func(http.ResponseWriter, *http.Request, string, string) error {
	return func(w http.ResponseWriter, r *http.Request, user, password string) error {
		err := door.SignIn(in, w, r, user, password)
		switch {
		case errors.Is(err, api.ErrUnknownToken):
			return &web.Refusal{Code: "denied", Message: "the name or the password is wrong"}
		case errors.Is(err, door.ErrCrossSite):
			return &web.Refusal{Code: "denied", Message: err.Error()}
		}
		return refusal(err)
	}
}

// signOut ends browsers' sessions.
func signOut(in api.Inside) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := door.SignOut(in, w, r)
		if errors.Is(err, door.ErrCrossSite) {
			return &web.Refusal{Code: "denied", Message: err.Error()}
		}
		return refusal(err)
	}
}

// refusal is an error of the api as pages understand it.
// Any other error is the lab's own trouble, which a page tells in general words.
func refusal(err error) error {
	var e *api.Error
	if errors.As(err, &e) {
		return &web.Refusal{Code: string(e.Code), Message: e.Message, Field: e.Field}
	}
	return err
}
