package boot

import (
	"context"
	"os"
	"path/filepath"

	"strata/dispatcher/connection"
	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/pipeline"
)

// connectADB is connect-adb: a shell on the device over adb.
func connectADB() pipeline.Action {
	return pipeline.Basic{Title: "connect-adb", About: "open a shell on the device with adb",
		Check: func(_ context.Context, s *pipeline.Session) error {
			if s.Device.Get("adb_serial_number").Text() == "" {
				s.Invalid("device adb serial number missing")
			}
			return tool("adb")
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			if c := s.Console(); c != nil && c.Connected() {
				s.Log.Debug("Already connected")
				return nil
			}
			serial := Device(s).Get("adb_serial_number").Text()
			if err := s.Command(ctx, "adb", "start-server"); err != nil {
				return err
			}
			if err := s.Command(ctx, "adb", "-s", serial, "wait-for-device"); err != nil {
				return err
			}
			return open(s, []string{"adb", "-s", serial, "shell"}, nil)
		}}
}

// open starts a command as the namespace's connection, on which one of the block's prompts is
// expected.
func open(s *pipeline.Session, argv, tags []string) error {
	s.Log.Info("[%s] %s Connecting to device using '%s'", s.Namespace(), s.Step.Name(), pipeline.ReprList(argv))
	c, err := connection.Start(connection.Settings{Command: argv, Env: s.Env(), Log: s.Log})
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	if len(tags) > 0 {
		c.Tags = tags
	}
	s.SetConsole(c)
	if prompts := s.Block().Get("prompts").Texts(); len(prompts) > 0 {
		s.SetPrompts(c, prompts)
	}
	return nil
}

// adbUnpack is adb-overlay-unpack: it pushes the overlay to the device.
func adbUnpack() pipeline.Action {
	return pipeline.Basic{Title: "adb-overlay-unpack", About: "push the overlay to the device with adb",
		Do: func(ctx context.Context, s *pipeline.Session) error {
			file, ok := pipeline.Get(s, pipeline.OverlayFile)
			if !ok {
				s.Log.Debug("No overlay to push")
				return nil
			}
			dir, err := s.Dir()
			if err != nil {
				return err
			}
			if err := unpackInto(dir, file); err != nil {
				return pipeline.Blamef(pipeline.Infrastructure, "unpack the overlay: %w", err)
			}
			serial := Device(s).Get("adb_serial_number").Text()
			host := filepath.Join(dir, "data", "local", "tmp")
			if err := s.Command(ctx, "adb", "-s", serial, "push", host, "/data/local"); err != nil {
				return err
			}
			results, _ := pipeline.Get(s, pipeline.ResultsDir)
			return s.Command(ctx, "adb", "-s", serial, "shell", "/system/bin/chmod", "-R", "0777", results)
		}}
}

// unpackInto unpacks a tar, compressed or not, into a directory.
func unpackInto(dir, file string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	return archive.Untar(dir, in, 0)
}
