package overlay

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"strata/dispatcher/door"
	"strata/dispatcher/pipeline"
)

// Door is where the namespace's devices send files of tests; there is none where the worker offers no
// place for one.
const Door pipeline.Key[*door.Door] = "strata-files/door"

// Left is the directory on the worker in which a container leaves files of tests: it has the overlay as
// a mount, so nothing is sent at all.
const Left pipeline.Key[string] = "strata-files/left"

// roomComes is how long a file waits at the door until others are in the log.
const roomComes = 30 * time.Second

// leftDir is its name below the results directory.
const leftDir = "files"

// openDoor prepares the ways by which a file of a test gets to the worker, and tells the helper of them in
// the file "door" of the overlay: how large a file may be, and one line for the way, if there is one beside
// the console. The file is no secret of the device's users: what it opens is this job alone.
func (c *create) openDoor(s *pipeline.Session) error {
	if c.door != nil { // of an attempt before this one
		c.door.Close()
		c.door = nil
	}
	limits := s.Log.FileLimits()
	text := fmt.Sprintf("limit %d\n", limits.File)
	switch files := s.Services().Files; {
	case c.work.mounted:
		dir := c.work.local(leftDir)
		// Tests run as any user of the container.
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
		if err := os.Chmod(dir, 0o777); err != nil {
			return err
		}
		pipeline.Put(s, Left, dir)
		text += "folder\n"
	case files != nil:
		dir := filepath.Join(c.work.dir, "door")
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		host, err := s.DoorHost()
		var opened *door.Door
		if err == nil {
			opened, err = door.Open(door.Settings{Host: files.Host, Ports: files.Ports, Dir: dir, File: limits.File, Held: limits.Job, Wait: roomComes, Now: s.Now})
		}
		if err != nil {
			s.Log.Warning("Files of tests come over the console only: %s", err)
			break
		}
		c.door = opened
		s.Log.Mask(opened.Token())
		pipeline.Put(s, Door, opened)
		s.Log.Debug("Files of tests are taken at %s", net.JoinHostPort(host, strconv.Itoa(opened.Port())))
		text += fmt.Sprintf("network %s %d %s\n", host, opened.Port(), opened.Token())
	}
	return writeFile(c.work.local("door"), text, 0o644)
}

// Cleanup closes the door: the job is over.
func (c *create) Cleanup(_ context.Context, s *pipeline.Session) error {
	if c.door == nil {
		return nil
	}
	if n := c.door.Close(); n > 0 {
		s.Log.Error("%d files of tests were on their way when the job ended, and are not kept", n)
	}
	for _, u := range c.door.Rest() {
		s.Log.Error("A file of %d bytes came when the tests were over, and is not kept", u.Size)
	}
	c.door = nil
	return nil
}
