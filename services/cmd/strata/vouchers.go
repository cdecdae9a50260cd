package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"strata/events/access"
	"strata/schemas/config"
	"strata/services/api"
	"strata/services/api/ldap"
	"strata/services/api/oidc"
)

// The secrets with which the lab itself comes to those who vouch for users, where they are not in files.
const (
	ldapPassword = "STRATA_LDAP_PASSWORD"
	oidcSecret   = "STRATA_OIDC_SECRET"
)

// vouchers are those who say who somebody is, beside the lab itself.
type vouchers struct {
	directory func(ctx context.Context, user, password string) (api.Vouched, error) // nil: none
	oidc      *oidc.Provider                                                        // nil: none
}

// newVouchers checks what the configuration says of them. Neither is asked yet: they may be away when the lab starts.
// A mistake in the configuration ends the start with status 2: nobody could sign in otherwise, and
// nobody would know why.
func newVouchers(c config.Config, key access.Key, now func() time.Time, logger *slog.Logger) (v vouchers, err error) {
	if l := c.LDAP; l.Server != "" {
		password, err := secretOf("ldap.bind_password_file", l.BindPassword, ldapPassword)
		if err != nil {
			return v, err
		}
		d, err := ldap.New(ldap.Settings{Server: l.Server, StartTLS: l.StartTLS, CAFile: l.CAFile, AllowPlaintext: l.AllowPlaintext,
			BindDN: l.BindDN, BindPassword: password, UserDN: l.UserDN, UserSearch: l.UserSearch, UserFilter: l.UserFilter, NameAttr: l.NameAttr,
			GroupSearch: l.GroupSearch, GroupFilter: l.GroupFilter, Groups: l.Groups, SuperGroup: l.SuperGroup, StaffGroup: l.StaffGroup,
			ExistingOnly: l.ExistingOnly})
		if err != nil {
			return v, usageError{fmt.Errorf("configuration: %w", err)}
		}
		v.directory = d.Check
	}
	if o := c.OIDC; o.Issuer != "" {
		secret, err := secretOf("oidc.client_secret_file", o.ClientSecret, oidcSecret)
		if err != nil {
			return v, err
		}
		v.oidc, err = oidc.New(oidc.Settings{Issuer: o.Issuer, ClientID: o.ClientID, ClientSecret: secret, Scopes: o.Scopes, NameClaim: o.NameClaim,
			GroupsClaim: o.GroupsClaim, Groups: o.Groups, SuperGroup: o.SuperGroup, StaffGroup: o.StaffGroup, ExistingOnly: o.ExistingOnly,
			Adopt: o.Adopt, URL: c.Notify.URL, Label: o.Label, Key: key, Now: now, Logger: logger.With("service", "oidc")})
		if err != nil {
			return v, usageError{fmt.Errorf("configuration: %w", err)}
		}
	}
	return v, nil
}
