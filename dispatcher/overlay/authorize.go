package overlay

import (
	"context"
	"os"
	"path/filepath"

	"strata/dispatcher/pipeline"
)

// sshAuthorize lets the worker log in by ssh to the system that gets the overlay: for guests, whose
// jobs share the board of a host's.
type sshAuthorize struct{ work *work }

// Name returns ssh-authorize.
func (sshAuthorize) Name() string { return "ssh-authorize" }

// Description says what the action does.
func (sshAuthorize) Description() string {
	return "include public key in overlay and authorize root user"
}

// defaultIdentity is the key that device types of labs name where a dictionary does not.
const defaultIdentity = "dynamic_vm_keys/lava"

// Validate refuses what is not known. Jobs that do not ask for it need no key.
func (sshAuthorize) Validate(_ context.Context, s *pipeline.Session) error {
	if how := s.Block().Get("authorize"); !how.IsNull() && how.Text() != "ssh" {
		s.Invalid("authorize: %s is not known, only ssh is", how.Python())
	}
	return nil
}

// Run puts the pair of keys where tests look for it, below the root, and the public one also to
// where the ssh server looks.
func (a sshAuthorize) Run(_ context.Context, s *pipeline.Session) error {
	if s.Block().Get("authorize").Text() != "ssh" {
		s.Log.Debug("No authorisation required.")
		return nil
	}
	file, err := s.SSHIdentity(s.Device.Get("actions", "deploy", "methods", "ssh", "identity_file").TextOr(defaultIdentity))
	if err != nil {
		return err
	}
	private, err := os.ReadFile(file)
	if err != nil {
		return pipeline.Blamef(pipeline.Configuration, "read the SSH key of the device: %w", err)
	}
	public, err := os.ReadFile(file + ".pub")
	if err != nil {
		return pipeline.Blamef(pipeline.Configuration, "read the public half of the device's SSH key: %w", err)
	}
	// The server ignores keys in a directory that others may write to.
	home := filepath.Join(a.work.dir, "root")
	if err := os.MkdirAll(filepath.Join(home, ".ssh"), 0o700); err != nil {
		return blamef("authorize ssh: %w", err)
	}
	for _, f := range []struct {
		name    string
		content []byte
		mode    os.FileMode
	}{
		{a.work.local(filepath.Base(file)), private, 0o600},
		{a.work.local(filepath.Base(file) + ".pub"), public, 0o644},
		{filepath.Join(home, ".ssh", "authorized_keys"), public, 0o600},
	} {
		if err := writeFile(f.name, string(f.content), f.mode); err != nil {
			return blamef("authorize ssh: %w", err)
		}
	}
	a.work.beside = []string{home}
	s.Log.Debug("Authorizing the key %s.pub for root", file)
	return nil
}
