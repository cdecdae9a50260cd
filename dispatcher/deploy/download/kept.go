package download

import (
	"context"
	"os"

	"strata/dispatcher/pipeline"
)

// keptDownload takes a file from the bundle that the job is run again from, in the place of whatever
// would download it. The network is not asked, so neither are the rules about it.
type keptDownload struct {
	fetch
	name string // of the action in whose place it stands
	file string
}

// kept returns the action for a file that a bundle holds; ok is false where there is none of the URL.
func kept(s *pipeline.Session, f fetch, stands pipeline.Action) (pipeline.Action, bool) {
	k := s.Services().Kept
	if k == nil || k.Files[f.url] == "" {
		return nil, false
	}
	return keptDownload{f, stands.Name(), k.Files[f.url]}, true
}

// Name returns the name of the action that downloaded the file when it was recorded.
func (d keptDownload) Name() string { return d.name }

// Description says what the action does.
func (keptDownload) Description() string { return "take the file from the bundle" }

// Run copies the file.
func (d keptDownload) Run(ctx context.Context, s *pipeline.Session) error {
	s.Log.Info("taking %s from the bundle", d.url)
	in, err := os.Open(d.file)
	if err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "take '%s' from the bundle: %w", d.url, err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "take '%s' from the bundle: %w", d.url, err)
	}
	return d.save(ctx, s, in, info.Size())
}
