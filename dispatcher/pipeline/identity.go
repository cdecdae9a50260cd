package pipeline

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"

	"strata/schemas/python"
)

// SSHIdentity returns the file of the private key with which the worker logs in to the device by ssh;
// its public half has the same name with .pub. name is the identity_file of the device's ssh method.
//
// An absolute name is a key that an administrator has put there. A relative one, such as the
// dynamic_vm_keys/lava of LAVA's device types, is a key of the worker's own, which all its jobs share
// and the first that asks makes: one that every copy of a program brings along would open all labs'
// devices to everybody. Where there is no such key it is a Configuration error.
func (s *Session) SSHIdentity(name string) (string, error) {
	if filepath.IsAbs(name) {
		if _, err := os.Stat(name); err != nil {
			return "", Blamef(Configuration, "Cannot find SSH private key: identity_file of the device's ssh method: %w", err)
		}
		return name, nil
	}
	if !filepath.IsLocal(name) || filepath.Clean(name) == "." {
		return "", Blamef(Configuration, "Cannot find SSH private key: identity_file of the device's ssh method is %s, which leads out of the worker's directory", python.Quote(name))
	}
	// Without a worker, as under `strata run`, there are no other jobs to share a key with.
	dir := s.shared.services.State
	if dir == "" {
		dir = s.shared.dir
	}
	file := filepath.Join(dir, "ssh-keys", name)
	if err := ensureKey(file); err != nil {
		return "", Blamef(Infrastructure, "make the worker's SSH key: %w", err)
	}
	return file, nil
}

// ensureKey makes a pair of keys unless there is one. Jobs are processes that may come here at the same
// time: the first to give its private key the name wins, and the public half is made from that one.
func ensureKey(file string) error {
	if _, err := os.Stat(file + ".pub"); err == nil {
		return nil // it comes last
	}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	const comment = "strata"
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return err
	}
	if err := place(file, pem.EncodeToMemory(block), os.Link); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return place(file+".pub", ssh.MarshalAuthorizedKey(key.PublicKey()), os.Rename)
}

// place writes a file beside its name and gives it the name when it is whole.
func place(file string, content []byte, as func(from, to string) error) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".making-") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return as(f.Name(), file)
}
