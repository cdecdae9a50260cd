package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"strata/events"
	"strata/events/stream"
	"strata/schemas/config"
	"strata/schemas/yaml"
	"strata/services/notify"
)

// The secrets of notifications, where they are not in files.
const (
	smtpPassword = "STRATA_SMTP_PASSWORD"
	notifySecret = "STRATA_NOTIFY_SECRET"
)

// runNotify runs the service that tells people and programs of jobs.
// A secret that cannot be read ends the service, which is tried again: callbacks without it would be
// refused by who checks them.
func (s surroundings) runNotify(ctx context.Context, log *stream.Log, l *slog.Logger) error {
	history, done, err := s.history()
	if err != nil {
		return err
	}
	defer done()
	c := s.config.Notify
	secret, err := secretOf("notify.secret_file", c.SecretFile, notifySecret)
	if err != nil {
		return err
	}
	password, err := secretOf("notify.smtp_password_file", c.SMTPPassword, smtpPassword)
	if err != nil {
		return err
	}
	tokens, err := userTokens(c)
	if err != nil {
		return err
	}
	return notify.Run(ctx, notify.Deps{Log: log, Now: s.now, Logger: l, Key: s.key, DB: history.DB, By: s.config.Jobs.CompareBy,
		URL: c.URL, Timeout: c.Timeout, GiveUp: c.GiveUp, Allow: c.Allow, Hosts: c.Hosts, Secret: secret, Tokens: tokens,
		Mail:       notify.Mail{Server: c.SMTP, Security: c.SMTPSecurity, User: c.SMTPUser, Password: password, From: c.From},
		MailDomain: c.MailDomain, IRC: notify.IRC{Server: c.IRCServer, Nick: c.IRCNick, TLS: c.IRCTLS}})
}

// secretOf reads a secret from its file, or from the environment where none is named. A line end behind it is none of it.
// The error names the key of the configuration, never the secret. A file that is empty is an error, as
// a variable that is not set is none.
func secretOf(key, file, variable string) (string, error) {
	if file == "" {
		return os.Getenv(variable), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s: %s is empty", key, file)
	}
	return secret, nil
}

// userTokens reads the tokens that definitions may name. The file is read once.
// The error names file and user, never a token; tokens are looked up by user, so nobody can name
// another's. A changed file counts after a restart.
func userTokens(c config.Notify) (func(events.UserName, string) (string, bool), error) {
	if c.TokensFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.TokensFile)
	if err != nil {
		return nil, fmt.Errorf("notify.tokens_file: %w", err)
	}
	root, err := yaml.ParseUnique(text)
	if err != nil {
		return nil, fmt.Errorf("notify.tokens_file: %s: %w", c.TokensFile, err)
	}
	for _, user := range root.Keys() {
		if !root.Get(user).Is(yaml.Map) {
			return nil, fmt.Errorf("notify.tokens_file: %s: user %s: want a mapping of names to tokens", c.TokensFile, user)
		}
	}
	return func(user events.UserName, name string) (string, bool) {
		token := root.Get(string(user), name)
		if token.Empty() {
			return "", false
		}
		return token.Print(), true
	}, nil
}
