package exports

import (
	"context"
	"fmt"
	"os"
	"slices"

	"strata/dispatcher/pipeline"
)

// OneJob starts what a single job without a worker needs of servers, in a directory of its own that
// stop removes. Nothing is started for jobs that fetch nothing: port 69 is one a host.
func OneJob(ctx context.Context, definition []byte, scratch string, settings Settings) (offer pipeline.Services, stop func(), err error) {
	job, err := pipeline.ReadYAML(definition)
	if err != nil {
		return pipeline.Services{Cache: settings.Cache}, func() {}, nil // the job itself ends over it
	}
	tftp, web := fetches(job)
	files := settings.files()
	if !tftp {
		settings.TFTP, settings.TFTPDir = "", ""
	}
	if !web {
		settings.Web = ""
	}
	if settings.Dir, err = os.MkdirTemp("", "strata-exports-"); err != nil {
		return pipeline.Services{}, nil, fmt.Errorf("make directory of the servers: %w", err)
	}
	const name = "job"
	settings.Folder = func(asked string) string {
		if asked != name {
			return ""
		}
		return scratch
	}
	servers, err := Start(ctx, settings)
	if err != nil {
		return pipeline.Services{}, nil, err
	}
	offer = servers.For(name, scratch)
	offer.Files = files
	return offer, func() {
		servers.Close()
		_ = os.RemoveAll(settings.Dir) // below the system's directory for what may be lost
	}, nil
}

// fetches says of which servers a job's devices fetch files.
func fetches(job pipeline.Data) (tftp, web bool) {
	for _, entry := range job.Get("actions").Items() {
		for _, block := range entry.Pairs() {
			switch to := block.Value.Get("to").Text(); {
			case block.Key == "deploy" && slices.Contains([]string{"tftp", "nbd", "iso-installer"}, to):
				tftp = true
			case block.Key == "deploy" && slices.Contains([]string{"usb", "sata", "sd"}, to):
				web = true // written by the booted device, which downloads the image
			}
			web = web || block.Key == "boot" && block.Value.Has("transfer_overlay")
		}
	}
	return tftp, web
}
