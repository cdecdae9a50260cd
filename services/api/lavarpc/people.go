package lavarpc

import (
	"net/http"

	"strata/events"
	"strata/services/api"
)

// TODO: users, groups and remote artifact tokens, with their verbs.
func peopleMethods() []method { return nil }

// superuser refuses callers who may not do everything.
func (c call) superuser() error { return nil }

// staff refuses callers who may not look after the rights of others.
func (c call) staff() error { return nil }

// knownUser refuses a name that no account has.
func (c call) knownUser(string) error { return nil }

// emailOf returns the address of a user.
func (c call) emailOf(string) string { return "" }

func setUserGroups(call) (any, error) { return nil, notYet() }

func canSubmit(call) (any, error) { return nil, notYet() }

func permit(events.Kind, int, int, int, bool) func(c call) (any, error) {
	return func(call) (any, error) { return nil, notYet() }
}

func notYet() error { return fault(http.StatusNotImplemented, "not there yet") }

var _ = api.Caller{}
