package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/services/api"
)

// No value is in the list, with --json neither: the lab gives it out once.
func (a *app) tokensCommand() *cobra.Command {
	var in api.TokenRequest
	cmd := &cobra.Command{
		Use:   "tokens",
		Short: "List tokens, give them out and revoke them",
		Long: `List your tokens, or those of another user where you administer the lab. A token is shown once, when it is added; the
lab knows it by its digest, and keeps it sealed for POST /api/v0.2/token/ and callbacks. One token is for all doors: the bus, REST, XML-RPC, SQL.`,
		Example: "  strata tokens\n  strata tokens add --description laptop\n  strata tokens revoke 3fa9c0de12345678",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all := []api.Token{}
			return a.ask(cmd, "tokens.list", in, &all, func() error {
				var rows [][]string
				for _, t := range all {
					rows = append(rows, []string{string(t.Token), string(t.User), or(join(t.Scopes)), tokenTime(t.Expires), tokenTime(t.LastUsed), or(t.From), or(tokenText(t))})
				}
				return a.table([]string{"TOKEN", "USER", "SCOPES", "EXPIRES", "LAST USED", "FROM", "DESCRIPTION"}, rows)
			})
		},
	}
	cmd.Flags().StringVar((*string)(&in.User), "user", "", "whose (default: your own)")
	cmd.Flags().BoolVar(&in.Sessions, "sessions", false, "sessions of browsers and words for enrolling workers too, which are revoked alike")
	cmd.AddCommand(a.tokenAdd(), a.tokenRevoke())
	return cmd
}

// tokenText says what a token is for.
func tokenText(t api.Token) string {
	switch {
	case t.Means != "":
		return string(t.Kind) + ", signed in by " + t.Means
	case t.Kind != "":
		return string(t.Kind)
	case t.ActingFor != "":
		return string(t.ActingFor) + " acts as " + string(t.User)
	}
	return t.Description
}

func tokenTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.RFC3339)
}

// The value alone is on standard output, for TOKEN=$(strata tokens add …).
func (a *app) tokenAdd() *cobra.Command {
	var in api.TokenRequest
	var scopes []string
	var days int
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Give out a token",
		Long: `Print a new token. --scope limits what it may be used for: view, submit, change, administer, each of which includes
those before it. Without one it may do whatever its user may.`,
		Example: "  strata tokens add --description ci --scope submit --days 90",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, s := range scopes {
				in.Scopes = append(in.Scopes, events.Scope(s))
			}
			if days < 0 {
				return misuse("--days %d: allowed are 0 (for ever) and more", days)
			}
			if days > 0 {
				// Days of 24 hours from now, by this machine's clock; the lab's decides when it is
				// over.
				in.Expires = a.now().Add(time.Duration(days) * 24 * time.Hour)
			}
			var t api.Token
			return a.ask(cmd, "tokens.issue", in, &t, func() error {
				_, err := fmt.Fprintln(a.out, t.Value)
				return err
			})
		},
	}
	f := cmd.Flags()
	f.StringVar((*string)(&in.User), "user", "", "for whom (default: yourself)")
	f.StringVar(&in.Description, "description", "", "what it is for; callbacks of jobs name it by that")
	f.StringSliceVar(&scopes, "scope", nil, "what it may be used for")
	f.IntVar(&days, "days", 0, "how long it is good; 0: for ever")
	f.StringVar(&in.Reason, "reason", "", "why; kept with the fact")
	return cmd
}

func (a *app) tokenRevoke() *cobra.Command {
	var in api.TokenRequest
	cmd := &cobra.Command{
		Use:     "revoke TOKEN",
		Short:   "Revoke a token",
		Long:    "Revoke a token, by its name in the list. Who is connected with it is cut off at once.",
		Example: "  strata tokens revoke 3fa9c0de12345678 --reason 'laptop is lost'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Token = events.TokenID(args[0])
			return a.ask(cmd, "tokens.revoke", in, &struct{}{}, func() error { return nil })
		},
	}
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why; kept with the fact")
	return cmd
}
