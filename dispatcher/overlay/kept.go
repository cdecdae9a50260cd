package overlay

import (
	"os"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/pipeline"
)

// keptTree returns what a bundle holds of a repository that a mapping of the job names.
func keptTree(s *pipeline.Session, params pipeline.Data) (pipeline.KeptTree, bool) {
	k := s.Services().Kept
	if k == nil {
		return pipeline.KeptTree{}, false
	}
	tree, ok := k.Trees[pipeline.Repository{URL: params.Get("repository").Text(),
		Branch: params.Get("branch").Text(), Revision: params.Get("revision").Text()}]
	return tree, ok
}

// unpackKept puts the tree where the clone would be, and returns its commit. git is not asked: what lies
// in a bundle came from somewhere else, and a repository can have commands in its configuration.
func (c *clone) unpackKept(tree pipeline.KeptTree) (string, error) {
	c.s.Log.Info("taking commit %s of %s from the bundle", tree.Commit, c.url)
	in, err := os.Open(tree.File)
	if err != nil {
		return "", blamef("take %s from the bundle: %w", c.url, err)
	}
	defer in.Close()
	if err := os.RemoveAll(c.dir); err != nil {
		return "", blamef("take %s from the bundle: %w", c.url, err)
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return "", blamef("take %s from the bundle: %w", c.url, err)
	}
	if err := archive.Untar(c.dir, in, 0); err != nil {
		return "", blamef("take %s from the bundle: %w", c.url, err)
	}
	return tree.Commit, nil
}
