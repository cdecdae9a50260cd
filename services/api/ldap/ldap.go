// Package ldap signs people in by a directory: it asks an LDAP server whether a password is right, and what it
// knows of the user.
//
// A [Directory] is what a lab's configuration names; its settings are LAVA's (django-auth-ldap's), so that a site
// copies them over: where the user's entry is, by a template of its name or by a search; which groups of the
// directory are which of the lab, and which of them make a superuser or staff.
//
// # What it promises
//
// A user is who the directory says by binding as the entry with the password; an empty password, which servers
// take for nobody's bind, is refused before. Names go into filters and entries' names escaped. Passwords go over
// the network by TLS only (ldaps:// or StartTLS), unless the configuration says otherwise by name. The user is
// called as the directory spells it, however it was typed.
package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"strata/events"
	"strata/services/api"
)

// Settings say where the directory is and what is what in it. In templates and filters %(user)s is the name that
// was typed and %(dn)s the user's entry.
// docs/people.md has LAVA's name of each beside it, AUTH_LDAP_SERVER_URI and so on.
type Settings struct {
	Server         string // ldap://host:port or ldaps://host:port; several, with blanks between, are tried in turn
	StartTLS       bool   // of ldap://: go on encrypted
	CAFile         string // PEM file of who has signed the server's certificate; "": the machine's own
	AllowPlaintext bool   // passwords may go over the network in clear

	BindDN, BindPassword string // who searches; "" is nobody

	UserDN       string // template of users' entries: uid=%(user)s,ou=people,dc=example,dc=com
	UserSearch   string // or where entries are searched for
	UserFilter   string // by which; "" is (uid=%(user)s)
	NameAttr     string // attribute that is the user's name; "" is uid
	GroupSearch  string // where groups are; "": none are asked for
	GroupFilter  string // which of them the user is in; "": those with the entry as member or uniqueMember, or the name as memberUid
	Groups       []string
	SuperGroup   string // whose members are superusers; "": the lab says who is
	StaffGroup   string
	ExistingOnly bool // people without an account in the lab are not let in
}

// patience is how long the directory may take for one step.
const patience = 10 * time.Second

// Directory is an LDAP server that vouches for users.
type Directory struct {
	s      Settings
	tls    *tls.Config
	groups []mapped
}

// mapped is a group of the lab, and the group of the directory that is it: by its name, or by its entry.
type mapped struct {
	here  events.GroupName
	there string
}

// New checks the settings. Nothing is asked of the server yet: it may be away when the lab starts.
func New(s Settings) (*Directory, error) {
	for _, server := range strings.Fields(s.Server) {
		u, err := url.Parse(server)
		if err != nil || u.Scheme != "ldap" && u.Scheme != "ldaps" || u.Hostname() == "" {
			return nil, fmt.Errorf("ldap.server_uri is %q; write it like ldaps://ldap.example.com", server)
		}
		// The bind sends the password as it is (RFC 4513, 5.1.3).
		if u.Scheme == "ldap" && !s.StartTLS && !s.AllowPlaintext && !loopback(u.Hostname()) {
			return nil, fmt.Errorf("ldap.server_uri %s would carry passwords in clear: take ldaps://, set ldap.start_tls, or allow it with ldap.allow_plaintext", server)
		}
	}
	switch {
	// django-auth-ldap prefers the template where both are set; here that is a mistake in the file.
	case (s.UserDN == "") == (s.UserSearch == ""):
		return nil, errors.New("say where users are: either ldap.user_dn_template or ldap.user_search")
	case s.UserDN != "" && !strings.Contains(s.UserDN, user):
		return nil, fmt.Errorf("ldap.user_dn_template is %q, without %s in it everybody would be the same", s.UserDN, user)
	case s.UserFilter != "" && !strings.Contains(s.UserFilter, user):
		return nil, fmt.Errorf("ldap.user_filter is %q, without %s in it everybody would be the same", s.UserFilter, user)
	case s.GroupSearch == "" && len(s.Groups)+len(s.SuperGroup)+len(s.StaffGroup) > 0:
		return nil, errors.New("groups are named and ldap.group_search does not say where they are")
	}
	s.UserFilter = or(s.UserFilter, "(uid="+user+")")
	s.NameAttr = or(s.NameAttr, "uid")
	s.GroupFilter = or(s.GroupFilter, "(|(member="+entry+")(uniqueMember="+entry+")(memberUid="+user+"))")
	for _, f := range []string{s.UserFilter, s.GroupFilter} {
		// With a harmless name in it: a bracket that is missing is told when the lab starts, not at a
		// sign-in.
		if _, err := ldap.CompileFilter(fill(f, "x", "uid=x")); err != nil {
			return nil, fmt.Errorf("filter %q: %w", f, err)
		}
	}
	d := &Directory{s: s, tls: &tls.Config{MinVersion: tls.VersionTLS12}}
	for _, g := range s.Groups {
		// At the first "=": an entry's name has more of them.
		here, there, both := strings.Cut(g, "=")
		if !both {
			there = here
		}
		if here == "" || there == "" {
			return nil, fmt.Errorf("ldap.groups has %q; write a group as kernel, or as kernel=cn=linux,ou=groups,dc=example,dc=com", g)
		}
		d.groups = append(d.groups, mapped{events.GroupName(here), there})
	}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ldap.ca_file: %w", err)
		}
		d.tls.RootCAs = x509.NewCertPool()
		if !d.tls.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ldap.ca_file: %s has no certificate in PEM", s.CAFile)
		}
	}
	return d, nil
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// What stands in templates and filters for the user's name, and for its entry.
const (
	user  = "%(user)s"
	entry = "%(dn)s"
)

// fill returns a filter for a user.
// RFC 4515, section 3: *, ( ) \ and NUL are escaped. A name "*" would else fit everybody.
func fill(filter, name, dn string) string {
	return strings.NewReplacer(user, ldap.EscapeFilter(name), entry, ldap.EscapeFilter(dn)).Replace(filter)
}

// Check returns what the directory knows of the user with that password. Its error is [api.ErrUnknownToken] where
// name or password is wrong; another one says why the directory could not tell.
func (d *Directory) Check(ctx context.Context, name, password string) (api.Vouched, error) {
	// RFC 4513, 5.1.2: a bind with a name and no password is "unauthenticated", and succeeds on many
	// servers.
	if password == "" || name == "" {
		return api.Vouched{}, api.ErrUnknownToken
	}
	conn, err := d.dial(ctx)
	if err != nil {
		return api.Vouched{}, err
	}
	defer func() { _ = conn.Close() }() // there is nothing to lose
	dn, err := d.find(conn, name)
	if err != nil {
		return api.Vouched{}, err
	}
	if err := conn.Bind(dn, password); err != nil {
		// Servers differ in what they say of a wrong password, of an entry that the template made up, and
		// of one that has no password; locked accounts are among "unwilling". To the person all are
		// "wrong".
		if ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax,
			ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultUnwillingToPerform) {
			return api.Vouched{}, api.ErrUnknownToken
		}
		return api.Vouched{}, fmt.Errorf("bind as the user: %w", err)
	}
	if d.s.BindDN != "" { // who may read more than the user may of itself
		if err := conn.Bind(d.s.BindDN, d.s.BindPassword); err != nil {
			return api.Vouched{}, fmt.Errorf("bind as %s: %w", d.s.BindDN, err)
		}
	}
	return d.describe(conn, name, dn)
}

// dial connects to the first server that answers.
func (d *Directory) dial(ctx context.Context) (*ldap.Conn, error) {
	var all error
	for _, server := range strings.Fields(d.s.Server) {
		u, err := url.Parse(server)
		if err != nil {
			return nil, err
		}
		settings := d.tls.Clone()
		settings.ServerName = u.Hostname()
		dialer := &net.Dialer{Timeout: patience}
		if deadline, ok := ctx.Deadline(); ok {
			dialer.Deadline = deadline
		}
		conn, err := ldap.DialURL(server, ldap.DialWithDialer(dialer), ldap.DialWithTLSConfig(settings))
		if err == nil {
			conn.SetTimeout(patience)
			// Bind and Search take no context: closing the connection is what ends one that hangs.
			context.AfterFunc(ctx, func() { _ = conn.Close() }) // twice does no harm
			if u.Scheme == "ldap" && d.s.StartTLS {
				err = conn.StartTLS(settings)
			}
			if err == nil {
				return conn, nil
			}
			_ = conn.Close() // it was of no use
		}
		// All of them are told: which of three servers is misconfigured is what its operator looks for.
		all = errors.Join(all, fmt.Errorf("%s: %w", server, err))
	}
	return nil, all
}

// find returns the name of a user's entry.
func (d *Directory) find(conn *ldap.Conn, name string) (string, error) {
	if d.s.UserDN != "" {
		// RFC 4514, 2.4: else a name with a comma in it would be an entry elsewhere in the tree.
		return strings.ReplaceAll(d.s.UserDN, user, ldap.EscapeDN(name)), nil
	}
	if d.s.BindDN != "" {
		if err := conn.Bind(d.s.BindDN, d.s.BindPassword); err != nil {
			return "", fmt.Errorf("bind as %s: %w", d.s.BindDN, err)
		}
	}
	// Two entries at most are asked for, enough to know that it is not one; "1.1" asks for no attributes
	// (RFC 4511, 4.5.1.8).
	found, err := conn.Search(ldap.NewSearchRequest(d.s.UserSearch, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, int(patience.Seconds()), false,
		fill(d.s.UserFilter, name, ""), []string{"1.1"}, nil))
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
		return "", fmt.Errorf("ldap.user_search: there is no %s", d.s.UserSearch)
	// Who of them signs in must not hang on the order in which a server answers.
	case ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded), err == nil && len(found.Entries) > 1:
		return "", errors.New("several entries fit ldap.user_filter for one name")
	case err != nil:
		return "", fmt.Errorf("search the user: %w", err)
	case len(found.Entries) == 0:
		return "", api.ErrUnknownToken
	}
	return found.Entries[0].DN, nil
}

// describe reads what the directory knows of a user who has proved who it is.
func (d *Directory) describe(conn *ldap.Conn, name, dn string) (api.Vouched, error) {
	// As the entry itself, or as bind_dn where there is one; objectClass is an attribute of every entry.
	found, err := conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, int(patience.Seconds()), false,
		"(objectClass=*)", []string{d.s.NameAttr, "mail", "givenName", "sn"}, nil))
	if err == nil && len(found.Entries) != 1 {
		err = errors.New("it may not be read; ldap.bind_dn names who may")
	}
	if err != nil {
		return api.Vouched{}, fmt.Errorf("read the user's entry: %w", err)
	}
	e := found.Entries[0]
	// The server compares names as it likes: without regard to case, or to blanks. One spelling is the user's.
	spelled := ""
	for _, v := range e.GetAttributeValues(d.s.NameAttr) {
		if strings.EqualFold(v, name) {
			spelled = v
		}
	}
	if spelled == "" {
		return api.Vouched{}, fmt.Errorf("the entry's attribute %s (ldap.name_attribute) is not the name that was typed", d.s.NameAttr)
	}
	// Adopt: an account that was imported from LAVA without a password becomes the directory's user, whose
	// names nobody can choose.
	v := api.Vouched{User: events.UserName(spelled), Means: "ldap", Identity: "ldap", Email: e.GetAttributeValue("mail"),
		FirstName: e.GetAttributeValue("givenName"), LastName: e.GetAttributeValue("sn"), Create: !d.s.ExistingOnly, Adopt: true}
	if d.s.GroupSearch == "" {
		return v, nil
	}
	// In pages of 500: servers bound what they answer at once, Active Directory to 1,000 entries.
	groups, err := conn.SearchWithPaging(ldap.NewSearchRequest(d.s.GroupSearch, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, int(patience.Seconds()), false,
		fill(d.s.GroupFilter, spelled, e.DN), []string{"cn"}, nil), 500)
	if err != nil {
		return api.Vouched{}, fmt.Errorf("search the user's groups: %w", err)
	}
	// Managed are all that the configuration names: of these the user leaves where the directory does not
	// have it; groups of the lab's own are left alone.
	for _, g := range d.groups {
		v.Managed = append(v.Managed, g.here)
		if in(groups.Entries, g.there) {
			v.Groups = append(v.Groups, g.here)
		}
	}
	for _, flag := range []struct {
		group string
		to    **bool
	}{{d.s.SuperGroup, &v.Superuser}, {d.s.StaffGroup, &v.Staff}} {
		// nil leaves the flag to the lab; false takes it away.
		if flag.group != "" {
			yes := in(groups.Entries, flag.group)
			*flag.to = &yes
		}
	}
	return v, nil
}

// in says whether a group, by its entry or by its name, is among those that were found.
func in(found []*ldap.Entry, group string) bool {
	// Entries' names are compared attribute by attribute without case, as RFC 4514's strings may differ in
	// blanks and case and mean the same.
	want, err := ldap.ParseDN(group)
	byEntry := err == nil && strings.Contains(group, "=")
	return slices.ContainsFunc(found, func(e *ldap.Entry) bool {
		if byEntry {
			dn, err := ldap.ParseDN(e.DN)
			return err == nil && dn.EqualFold(want)
		}
		return strings.EqualFold(e.GetAttributeValue("cn"), group)
	})
}
