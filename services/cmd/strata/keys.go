package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"strata/events/access"
)

// keyPath is where a data directory keeps the lab's secret.
// All tokens and the secrets that are kept sealed hang on this file: whoever has it is the lab.
func keyPath(data string) string { return filepath.Join(data, "key") }

// administratorPath is where a data directory keeps the administrator's credential.
func administratorPath(data string) string { return filepath.Join(data, "administrator") }

// writeAdministrator writes the administrator's credential for the owner's eyes only, where it is not there yet.
// The same key gives the same credential, so a file that was lost comes back with the next start. It
// is not written over where it is right: its owner and group may have been set by
// [shareAdministrator].
func writeAdministrator(data string, key access.Key) (token string, err error) {
	token = key.Administrator()
	path := administratorPath(data)
	if was, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(was)) == token {
		return token, nil
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(token+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write the administrator's credential: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return "", fmt.Errorf("write the administrator's credential: %w", err)
	}
	return token, nil
}

// brokerVariables returns the values of the $-variables in nats.conf.
// store is the directory of JetStream's files as the broker sees it.
func brokerVariables(key access.Key, store string) (map[string]string, error) {
	pair, err := key.Issuer()
	if err != nil {
		return nil, err
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("read the issuer's public key: %w", err)
	}
	return map[string]string{
		"STRATA_STORE":    store,
		"STRATA_ISSUER":   public,
		"STRATA_PASSWORD": key.Password(),
	}, nil
}

// writeSecret writes v as JSON to path for the owner's eyes only, whole or not at all.
func writeSecret(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// Called again it prints the same: what is derived from the key does not change. On standard output
// there are only the lines of the environment file.
func (a *app) keysCommand() *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make the secrets of a lab whose broker runs elsewhere",
		Long: `Make the lab's one secret, the file "key" in the data directory, where it is not there yet, and
print what a broker is configured with, as NAME=value lines for an environment file. "strata up"
does all this itself; the command is for compose.yaml and other set-ups in which the broker and
each service are processes of their own. Services need the file, the broker the lines, and the one who
administers the lab the file "administrator" beside it: --token takes what stands in it.`,
		Example: "  strata keys --data secrets > .env && docker compose up",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			key, err := access.OpenKey(keyPath(data))
			if err != nil {
				return err
			}
			if _, err := writeAdministrator(data, key); err != nil {
				return err
			}
			values, err := brokerVariables(key, "/data")
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(values)
			}
			_, err = fmt.Fprintf(a.out, "STRATA_ISSUER=%s\nSTRATA_PASSWORD=%s\n", values["STRATA_ISSUER"], values["STRATA_PASSWORD"])
			return err
		},
	}
	cmd.Flags().StringVar(&data, "data", a.defaultData(), "data directory with the file \"key\"")
	return cmd
}
