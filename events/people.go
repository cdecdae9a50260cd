package events

import "time"

// TokenID names a token without being one: the first 16 hex digits of its SHA-256.
type TokenID string

// Scope is a kind of things that a token may be used for. What its user may not, no scope gives.
type Scope string

// The scopes of a token, each of which includes those before it. A token without any is not limited.
const (
	ScopeView       Scope = "view"       // look at what its user may see
	ScopeSubmit     Scope = "submit"     // submit jobs, and cancel, annotate and order one's own
	ScopeChange     Scope = "change"     // change devices, types and workers
	ScopeAdminister Scope = "administer" // add and remove things, people and rights
)

// UserAdded records a new account. It is active and has no rights of its own. Written by services/api.
type UserAdded struct {
	User UserName `json:"user"`
	By   UserName `json:"by"`
}

// UserConfigured records all settings of an account; each fact replaces the one before. Written by
// services/api.
type UserConfigured struct {
	User        UserName `json:"user"`
	Email       string   `json:"email,omitempty"`
	FirstName   string   `json:"first_name,omitempty"`
	LastName    string   `json:"last_name,omitempty"`
	Inactive    bool     `json:"inactive,omitempty"` // may do nothing, and is let in nowhere
	Staff       bool     `json:"staff,omitempty"`
	Superuser   bool     `json:"superuser,omitempty"` // may do everything
	IRCHandle   string   `json:"irc_handle,omitempty"`
	IRCServer   string   `json:"irc_server,omitempty"`
	TableLength int      `json:"table_length,omitempty"` // rows of a table on a page; 0: as the lab has it
	Identity    string   `json:"identity,omitempty"`     // who vouches for the user elsewhere, such as "ldap" or "oidc ISSUER SUBJECT"
	Permissions []string `json:"permissions,omitempty"`  // on everything, as LAVA names them: "lava_scheduler_app.change_device"
	By          UserName `json:"by"`
	Reason      string   `json:"reason,omitempty"`
}

// UserRemoved records that an account is no more, nor are its tokens. Its jobs stay. Written by services/api.
type UserRemoved struct {
	User   UserName `json:"user"`
	By     UserName `json:"by"`
	Reason string   `json:"reason,omitempty"`
}

// PasswordSet records what a user's password is checked by. Written by services/api.
type PasswordSet struct {
	User   UserName `json:"user"`
	Sealed string   `json:"sealed,omitempty"` // its salted hash, sealed; empty: no password is taken
	By     UserName `json:"by"`
}

// GroupAdded records a new group. Written by services/api.
type GroupAdded struct {
	Group GroupName `json:"group"`
	By    UserName  `json:"by"`
}

// GroupConfigured records what the users of a group may do with everything; each fact replaces the one
// before. Written by services/api.
type GroupConfigured struct {
	Group       GroupName `json:"group"`
	Permissions []string  `json:"permissions,omitempty"` // as those of [UserConfigured]
	By          UserName  `json:"by"`
	Reason      string    `json:"reason,omitempty"`
}

// GroupJoined records that a user belongs to a group. Written by services/api.
type GroupJoined struct {
	Group  GroupName `json:"group"`
	User   UserName  `json:"user"`
	By     UserName  `json:"by"`
	Reason string    `json:"reason,omitempty"`
}

// GroupLeft records that a user belongs to a group no more. Written by services/api.
type GroupLeft struct {
	Group  GroupName `json:"group"`
	User   UserName  `json:"user"`
	By     UserName  `json:"by"`
	Reason string    `json:"reason,omitempty"`
}

// GroupRemoved records that a group is no more. What it was permitted stays written, and a later group of
// the name would have it. Written by services/api.
type GroupRemoved struct {
	Group  GroupName `json:"group"`
	By     UserName  `json:"by"`
	Reason string    `json:"reason,omitempty"`
}

// TokenIssued records a token of a user. Who brings a value with that digest is the user. Written by
// services/api.
type TokenIssued struct {
	User        UserName  `json:"user"`
	Token       TokenID   `json:"token"`
	SHA256      string    `json:"sha256"` // of the value, in hex
	Description string    `json:"description,omitempty"`
	Scopes      []Scope   `json:"scopes,omitempty"` // none: not limited
	Expires     time.Time `json:"expires,omitzero"` // zero: never
	Sealed      string    `json:"sealed,omitempty"` // the value, sealed: callbacks of jobs name it by its description
	// ActingFor is who acts as the user with this token; empty: the user does.
	ActingFor UserName `json:"acting_for,omitempty"`
	By        UserName `json:"by"`
	Reason    string   `json:"reason,omitempty"`
}

// TokenDescribed records another description of a token. Written by services/api.
type TokenDescribed struct {
	User        UserName `json:"user"`
	Token       TokenID  `json:"token"`
	Description string   `json:"description"`
	By          UserName `json:"by"`
}

// TokenUsed records that somebody came with a token. It is told once an hour at most. Written by
// services/api.
type TokenUsed struct {
	User  UserName `json:"user"`
	Token TokenID  `json:"token"`
	From  string   `json:"from"` // the door and the address, such as "bus 192.0.2.7"
}

// TokenRevoked records that a token is none any more. Written by services/api.
type TokenRevoked struct {
	User   UserName `json:"user"`
	Token  TokenID  `json:"token"`
	By     UserName `json:"by"`
	Reason string   `json:"reason,omitempty"`
}

// SessionStarted records that a user signed in at a page. Until it expires or is revoked, as a token is, a
// browser that brings a value with that digest in its cookie is the user. Written by services/api.
type SessionStarted struct {
	User    UserName  `json:"user"`
	Token   TokenID   `json:"token"`  // its name among the user's tokens
	SHA256  string    `json:"sha256"` // of the value, in hex
	Expires time.Time `json:"expires"`
	Means   string    `json:"means"` // how the user proved who it is: "password", "ldap", "oidc ISSUER"
	From    string    `json:"from"`  // the door and the address
}

// EnrolmentOffered records a word with which one machine may make itself a worker, once. Who brings a value
// with that digest gets that worker's credential, and the word is revoked as a token is. Written by
// services/api.
type EnrolmentOffered struct {
	User    UserName   `json:"user"` // who offers it; without the right to add workers it is worth nothing
	Token   TokenID    `json:"token"`
	SHA256  string     `json:"sha256"`
	Worker  WorkerName `json:"worker,omitempty"` // that it is for; empty: whatever the machine is called
	Expires time.Time  `json:"expires"`
	By      UserName   `json:"by"`
	Reason  string     `json:"reason,omitempty"`
}

// RemoteTokenSet records a secret of a user that jobs name instead of writing it (LAVA's remote artifact
// tokens). Written by services/api.
type RemoteTokenSet struct {
	User   UserName `json:"user"`
	Name   string   `json:"name"`   // unique among the user's
	Sealed string   `json:"sealed"` // the value
	By     UserName `json:"by"`
}

// RemoteTokenRemoved records that such a secret is no more. Written by services/api.
type RemoteTokenRemoved struct {
	User UserName `json:"user"`
	Name string   `json:"name"`
	By   UserName `json:"by"`
}

// LabOpened records whether people without a name may look at what no permission restricts, as LAVA lets
// them. A lab is closed until this says otherwise. Written by services/api.
type LabOpened struct {
	Open   bool     `json:"open"`
	By     UserName `json:"by"`
	Reason string   `json:"reason,omitempty"`
}

func (e UserAdded) About() Entity          { return aboutUser(e.User) }
func (e UserConfigured) About() Entity     { return aboutUser(e.User) }
func (e UserRemoved) About() Entity        { return aboutUser(e.User) }
func (e PasswordSet) About() Entity        { return aboutUser(e.User) }
func (e GroupAdded) About() Entity         { return aboutGroup(e.Group) }
func (e GroupConfigured) About() Entity    { return aboutGroup(e.Group) }
func (e GroupJoined) About() Entity        { return aboutGroup(e.Group) }
func (e GroupLeft) About() Entity          { return aboutGroup(e.Group) }
func (e GroupRemoved) About() Entity       { return aboutGroup(e.Group) }
func (e TokenIssued) About() Entity        { return aboutUser(e.User) }
func (e TokenDescribed) About() Entity     { return aboutUser(e.User) }
func (e TokenUsed) About() Entity          { return aboutUser(e.User) }
func (e TokenRevoked) About() Entity       { return aboutUser(e.User) }
func (e SessionStarted) About() Entity     { return aboutUser(e.User) }
func (e EnrolmentOffered) About() Entity   { return aboutUser(e.User) }
func (e RemoteTokenSet) About() Entity     { return aboutUser(e.User) }
func (e RemoteTokenRemoved) About() Entity { return aboutUser(e.User) }
func (e LabOpened) About() Entity          { return Entity{Kind: Lab} }

func aboutUser(u UserName) Entity   { return Entity{User, string(u)} }
func aboutGroup(g GroupName) Entity { return Entity{Group, string(g)} }
