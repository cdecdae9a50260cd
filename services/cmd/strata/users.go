package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

func (a *app) usersCommand() *cobra.Command {
	var in api.UserRequest
	cmd := &cobra.Command{
		Use:   "users",
		Short: "List accounts, add, change and remove them",
		Long: `List the accounts of the lab. "local" is the administrator that every lab has: whoever holds the credential in the
file "administrator" of the data directory. Others come with tokens (see "strata tokens").`,
		Example: "  strata users\n  strata users add alice --email alice@example.com\n  strata tokens add --user alice --description laptop",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all := []api.User{}
			return a.ask(cmd, "users.list", in, &all, func() error {
				var rows [][]string
				for _, u := range all {
					rows = append(rows, []string{string(u.User), userRole(u), or(u.Email), or(join(u.Groups)), fmt.Sprint(u.Tokens)})
				}
				return a.table([]string{"USER", "ROLE", "EMAIL", "GROUPS", "TOKENS"}, rows)
			})
		},
	}
	cmd.Flags().BoolVar(&in.All, "all", false, "inactive accounts too")
	cmd.AddCommand(a.userShow(), a.userSet("add", "users.add"), a.userSet("set", "users.set"), a.userPassword(), a.userRemove(), a.userAct(), a.userAudit())
	return cmd
}

// The strongest right is named alone: a superuser may do all that staff may.
func userRole(u api.User) string {
	switch {
	case !u.Active:
		return "inactive"
	case u.Superuser:
		return "superuser"
	case u.Staff:
		return "staff"
	}
	return "user"
}

// Whom it is not shown to is the api's to say: it refuses with status 1.
func (a *app) userShow() *cobra.Command {
	return &cobra.Command{
		Use:     "show USER",
		Short:   "Show an account",
		Long:    "Show an account: to itself, to staff and to superusers.",
		Example: "  strata users show alice",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var u api.User
			return a.ask(cmd, "users.show", api.UserRequest{User: events.UserName(args[0])}, &u, func() error {
				_, err := fmt.Fprintf(a.out, "user %s, %s\nname %s\nemail %s\ngroups %s\npermissions %s\ntokens %d\n", u.User, userRole(u),
					or(strings.TrimSpace(u.FirstName+" "+u.LastName)), or(u.Email), or(join(u.Groups)), or(strings.Join(u.Permissions, ", ")), u.Tokens)
				return err
			})
		},
	}
}

// userSet makes the commands that add an account and change one: they take the same flags.
// Only what a flag names goes into the request. Silent where it succeeds; --json prints one api.User.
func (a *app) userSet(name, verb string) *cobra.Command {
	var email, first, last, irc, identity, passwordFile, reason string
	var active, staff, superuser bool
	cmd := &cobra.Command{
		Use:   name + " USER",
		Short: map[string]string{"add": "Add an account", "set": "Change an account"}[name],
		Long: `What no flag names stays as it is. Everybody may change their own name, address and password; the rest is for
superusers. An account that is not active is let in nowhere, and its connections are cut at once.`,
		Example: "  strata users " + name + " alice --email alice@example.com --staff",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.UserRequest{User: events.UserName(args[0]), Reason: reason}
			// Pointers tell "leave it" from "make it empty": --email "" takes the address away.
			for flag, set := range map[string]func(){"email": func() { in.Email = &email }, "first-name": func() { in.FirstName = &first },
				"last-name": func() { in.LastName = &last }, "irc": func() { in.IRCHandle = &irc }, "identity": func() { in.Identity = &identity },
				"active": func() { in.Active = &active },
				"staff":  func() { in.Staff = &staff }, "superuser": func() { in.Superuser = &superuser }} {
				if cmd.Flags().Changed(flag) {
					set()
				}
			}
			if passwordFile != "" {
				text, err := os.ReadFile(passwordFile)
				if err != nil {
					return fmt.Errorf("read the password: %w", err)
				}
				// Editors end the file with a line feed, which nobody types as part of a password. A
				// file, and no flag with the password: arguments are in the list of processes and in
				// the shell's history.
				password := strings.TrimRight(string(text), "\r\n")
				in.Password = &password
			}
			return a.ask(cmd, verb, in, &api.User{}, func() error { return nil })
		},
	}
	f := cmd.Flags()
	f.StringVar(&email, "email", "", "address for mail")
	f.StringVar(&first, "first-name", "", "first name")
	f.StringVar(&last, "last-name", "", "last name")
	f.StringVar(&irc, "irc", "", "IRC handle")
	f.StringVar(&identity, "identity", "", "who vouches for the user, such as \"ldap\" or \"oidc ISSUER SUBJECT\"; empty: the lab itself")
	f.BoolVar(&active, "active", true, "may come in; --active=false shuts the account out")
	f.BoolVar(&staff, "staff", false, "may see to groups and permissions")
	f.BoolVar(&superuser, "superuser", false, "may do everything")
	f.StringVar(&passwordFile, "password-file", "", "file with the password; an empty one takes it away")
	f.StringVar(&reason, "reason", "", "why; kept with the change")
	return cmd
}

// Silent where it succeeds.
func (a *app) userRemove() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     "remove USER",
		Short:   "Remove an account with its tokens",
		Long:    "Remove an account with its tokens. Its jobs stay, under its name.",
		Example: "  strata users remove alice --reason 'has left'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd, "users.remove", api.UserRequest{User: events.UserName(args[0]), Reason: reason}, &struct{}{}, func() error { return nil })
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept with the fact")
	return cmd
}

// The token alone is on standard output, its end beside it on standard error.
func (a *app) userAct() *cobra.Command {
	var in api.ActRequest
	cmd := &cobra.Command{
		Use:   "act USER",
		Short: "Act as a user for a while",
		Long: `Print a token with which a superuser is another user for a while. Every fact of that time says who acted, by the
reason the log says why. By HTTP it submits jobs that name no secret of the user's; it gives out no tokens.`,
		Example: "  STRATA_TOKEN=$(strata users act alice --reason 'ticket 7') strata jobs",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.User = events.UserName(args[0])
			var t api.Token
			return a.ask(cmd, "users.act", in, &t, func() error {
				fmt.Fprintf(a.err, "until %s\n", t.Expires.Format(time.RFC3339))
				_, err := fmt.Fprintln(a.out, t.Value)
				return err
			})
		},
	}
	cmd.Flags().IntVar(&in.Minutes, "minutes", 30, "for how long, 1 to 480")
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why (required)")
	return cmd
}

// --json prints one api.Audit. The times in the table are of this machine's zone; flags and JSON say
// theirs.
func (a *app) userAudit() *cobra.Command {
	var in api.AuditRequest
	var since, until string
	cmd := &cobra.Command{
		Use:   "audit [USER]",
		Short: "Show who did what, from where",
		Long: `Show the facts that people asked for, the newest first: when, who, from where (door, address, token; who acted as whom), to
what. Superusers and staff see what everybody did, others what they did themselves. Facts that have left the streams come from
the archive; --until reaches back further than the 100,000 facts that one question reads.`,
		Example: "  strata users audit alice\n  strata users audit --entity device/q1\n  strata users audit --from 'acts as'",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				in.User = events.UserName(args[0])
			}
			for _, f := range []struct {
				flag, text string
				to         *time.Time
			}{{"since", since, &in.Since}, {"until", until, &in.Until}} {
				if f.text == "" {
					continue
				}
				at, err := time.Parse(time.RFC3339, f.text)
				if err != nil {
					return misuse("--%s is %q; write it like 2026-11-23T10:00:00Z", f.flag, f.text)
				}
				*f.to = at
			}
			var out api.Audit
			return a.ask(cmd, "audit.list", in, &out, func() error {
				var rows [][]string
				for _, f := range out.Facts {
					rows = append(rows, []string{f.Time.Local().Format(time.DateTime), string(f.Actor), or(f.From), f.Name, f.Entity})
				}
				return a.table([]string{"TIME", "WHO", "FROM", "WHAT", "TO"}, rows)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Entity, "entity", "", "what was done to this, such as device/q1 or user/alice")
	f.StringVar(&in.From, "from", "", "part of where from: an address, a door, a token's name")
	f.StringVar(&since, "since", "", "not before this time")
	f.StringVar(&until, "until", "", "before this time")
	f.IntVar(&in.Limit, "limit", 100, "how many at most, 1 to 1000")
	return cmd
}
