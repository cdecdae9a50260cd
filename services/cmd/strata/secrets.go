package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"strata/events"
	"strata/services/api"
)

// The values are never printed, with --json neither: what is for jobs need not be read back.
func (a *app) secretsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secrets",
		Short: "List the secrets that your jobs name, set and remove them",
		Long: `List the names of your secrets (LAVA's remote artifact tokens). A job writes such a name as a value of "secrets", in
"headers" of what it downloads, or as the "token" of a callback, and the secret itself stands in neither its definition
nor its log.`,
		Example: "  strata secrets\n  strata secrets set gitlab < token-file\n  strata secrets remove gitlab",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all := []api.RemoteToken{}
			c, done, err := a.client()
			if err != nil {
				return err
			}
			defer done()
			if err := c.Call(cmd.Context(), "remote-tokens.list", struct{}{}, &all); err != nil {
				return explain(err)
			}
			for i := range all {
				all[i].Value = "" // a terminal keeps what it has shown
			}
			if a.json {
				return a.printJSON(all)
			}
			for _, s := range all {
				if _, err := fmt.Fprintln(a.out, s.Name); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.AddCommand(a.secretSet(), a.secretRemove())
	return cmd
}

// By input and not by argument: arguments are seen by all who list processes, and kept by the shell.
func (a *app) secretSet() *cobra.Command {
	return &cobra.Command{
		Use:     "set NAME",
		Short:   "Keep a secret under a name",
		Long:    "Read a secret from the terminal, unseen, or the first line of standard input, and keep it under a name. One of the name before is replaced.",
		Example: "  strata secrets set gitlab < token-file",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := a.readSecret("secret " + args[0])
			if err != nil {
				return err
			}
			return a.ask(cmd, "remote-tokens.set", api.RemoteToken{Name: args[0], Value: value}, &struct{}{}, func() error { return nil })
		},
	}
}

// Silent where it succeeds, as is "secrets set": a script that sets secrets shall have nothing to log.
func (a *app) secretRemove() *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Short:   "Forget a secret",
		Long:    "Forget a secret. Jobs that name it are given its name in its place.",
		Example: "  strata secrets remove gitlab",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd, "remote-tokens.remove", api.RemoteToken{Name: args[0]}, &struct{}{}, func() error { return nil })
		},
	}
}

// userPassword is the command that sets a password, or takes one away.
func (a *app) userPassword() *cobra.Command {
	var remove bool
	cmd := &cobra.Command{
		Use:   "password USER",
		Short: "Set the password that a user signs in with",
		Long: `Set the password that a user signs in with at the lab's pages; programs have tokens. It is read from the terminal, unseen
and twice, or from the first line of standard input. Your own is asked for the one before; an administrator is not.
All sessions of the user end but the one that has asked.`,
		Example: "  strata users password alice\n  strata users password alice --remove",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.UserRequest{User: events.UserName(args[0]), Password: new(string)}
			c, done, err := a.client()
			if err != nil {
				return err
			}
			defer done()
			var me api.Me
			var u api.User
			if err := c.Call(cmd.Context(), "whoami", struct{}{}, &me); err != nil {
				return explain(err)
			}
			if err := c.Call(cmd.Context(), "users.show", api.UserRequest{User: in.User}, &u); err != nil {
				return explain(err)
			}
			lines := bufio.NewReader(a.input()) // of one that reads ahead there is one only
			if me.User == in.User && u.HasPassword && !me.Superuser {
				if in.Current, err = a.readSecretOf(lines, "password before"); err != nil {
					return err
				}
			}
			if !remove {
				if *in.Password, err = a.readSecretOf(lines, "new password of "+args[0]); err != nil {
					return err
				}
				// A program does not mistype.
				if terminalOf(a.in) != nil {
					again, err := a.readSecretOf(lines, "once more")
					if err != nil {
						return err
					}
					if again != *in.Password {
						return errors.New("the two are not the same; the password stays as it was")
					}
				}
			}
			if err := c.Call(cmd.Context(), "users.set", in, nil); err != nil {
				return explain(err)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&remove, "remove", false, "take the password away: the user signs in otherwise, or not at all")
	return cmd
}

// terminalOf returns the terminal that an input is, nil where it is none.
func terminalOf(in io.Reader) *os.File {
	if f, ok := in.(*os.File); ok && terminal(f) {
		return f
	}
	return nil
}

// readSecret reads a line that nobody shall see.
func (a *app) readSecret(what string) (string, error) {
	return a.readSecretOf(bufio.NewReader(a.input()), what)
}

// The line's end is no part of it, other blanks are. An empty line is an error: to take a secret away
// has its own command.
func (a *app) readSecretOf(lines *bufio.Reader, what string) (string, error) {
	if f := terminalOf(a.in); f != nil {
		fmt.Fprintf(a.err, "%s: ", what)
		defer fmt.Fprintln(a.err)
		fd := int(f.Fd())
		if was, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
			quiet := *was
			quiet.Lflag &^= unix.ECHO
			if err := unix.IoctlSetTermios(fd, unix.TCSETS, &quiet); err != nil {
				return "", fmt.Errorf("hide what is typed: %w", err)
			}
			defer func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, was) }() // the terminal may be gone
		}
	}
	line, err := lines.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the %s: %w", what, err)
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", fmt.Errorf("no %s was given", what)
	}
	return line, nil
}
