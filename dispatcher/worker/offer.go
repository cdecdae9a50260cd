package worker

import (
	"context"
	"path/filepath"
	"strings"

	"strata/dispatcher/exports"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/worker/jobproc"
)

// startExports starts the servers from which devices fetch jobs' files.
func startExports(ctx context.Context, d Deps) (*exports.Servers, error) {
	settings := d.Exports
	settings.Dir, settings.Worker = filepath.Join(d.StateDir, "exports"), string(d.Name)
	settings.Logger, settings.After = d.Logger, d.After
	if settings.Cache.Dir == "" && settings.Cache.Limit > 0 {
		settings.Cache.Dir = filepath.Join(d.StateDir, "cache")
	}
	// A job's directory is its name on the web server: two leases of a job are two names.
	settings.Folder = func(name string) string {
		if strings.Trim(name, "0123456789-") != "" {
			return ""
		}
		return filepath.Join(d.StateDir, "jobs", name, jobproc.ScratchDir)
	}
	return exports.Start(ctx, settings)
}

// offer returns what a job finds on this machine.
func (s *supervisor) offer(j *job) pipeline.Services {
	services := s.exports.For(filepath.Base(j.dir), filepath.Join(j.dir, jobproc.ScratchDir))
	services.State = s.StateDir
	return services
}
