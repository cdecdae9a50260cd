package download

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/urlrule"
)

// rcloneDownload copies a file from a storage that rclone knows: rclone://remote/path.
type rcloneDownload struct{ fetch }

func newRclone(f fetch) pipeline.Action { return rcloneDownload{f} }

// remoteName is what rclone calls a remote. What begins with a colon is none, but makes one on the spot,
// and with a dash it is an option.
var remoteName = regexp.MustCompile(`^[\w.+@][\w.+@ -]*$`)

// Name returns rclone-download.
func (rcloneDownload) Name() string { return "rclone-download" }

// Description says what the action does.
func (rcloneDownload) Description() string { return "use rclone to download the file" }

// Validate asks for the file's size.
func (d rcloneDownload) Validate(ctx context.Context, s *pipeline.Session) error {
	d.check(s)
	if !remoteName.MatchString(d.host) {
		s.Invalid("'%s' names no remote of rclone", d.url)
		return nil
	}
	rules, err := urlrule.Read(s.Dispatcher)
	if err == nil {
		err = pipeline.Blame(pipeline.Job, rules.Check(d.url))
	}
	if err != nil {
		return err
	}
	// A remote of the job's own may be any server, or the worker's disk.
	secrets := s.Job.Get("secrets")
	if !rules.None() && (secrets.Has("rclone_config") || secrets.Has("rclone_env")) {
		s.Invalid("the lab's url_rules do not allow a configuration of rclone in a job")
		return nil
	}
	if _, err := d.size(ctx, s); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.Invalid("Resource unavailable at '%s' (%s)", d.url, err)
	}
	return nil
}

// command returns rclone with its configuration, and its environment.
func (d rcloneDownload) command(s *pipeline.Session, args ...string) ([]string, []string, error) {
	argv := []string{s.Dispatcher.Get("rclone_path").TextOr("rclone")}
	config := s.Dispatcher.Get("rclone_config").Text()
	if text := s.Job.Get("secrets", "rclone_config").Text(); text != "" {
		config = filepath.Join(s.JobDir(), "rclone.conf")
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			return nil, nil, pipeline.Blamef(pipeline.Infrastructure, "write the configuration of rclone: %w", err)
		}
	}
	if config != "" {
		argv = append(argv, "--config", config)
	}
	env := append([]string(nil), s.Env()...)
	for _, p := range s.Job.Get("secrets", "rclone_env").Pairs() {
		env = append(env, p.Key+"="+p.Value.Text())
	}
	return append(argv, args...), env, nil
}

func (d rcloneDownload) remote() string { return d.host + ":" + strings.TrimPrefix(d.path, "/") }

func (d rcloneDownload) size(ctx context.Context, s *pipeline.Session) (int64, error) {
	argv, env, err := d.command(s, "size", "--json", d.remote())
	if err != nil {
		return 0, err
	}
	text, err := printed(ctx, env, argv...)
	if err != nil {
		return 0, err
	}
	var told struct{ Bytes int64 }
	if err := json.Unmarshal([]byte(text), &told); err != nil {
		return 0, err
	}
	return told.Bytes, nil
}

// Run copies the file.
func (d rcloneDownload) Run(ctx context.Context, s *pipeline.Session) error {
	size, err := d.size(ctx, s)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return pipeline.Blamef(pipeline.Infrastructure, "Unable to download '%s': %w", d.url, err)
	}
	argv, env, err := d.command(s, "cat", d.remote())
	if err != nil {
		return err
	}
	return d.piped(ctx, s, size, env, argv...)
}
