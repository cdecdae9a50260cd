package deploy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"

	"strata/dispatcher/exports"
	"strata/dispatcher/overlay"
	"strata/dispatcher/pipeline"
)

// nbd deploys a kernel and an initrd by TFTP, and a root disk that a server on the worker exports.
func nbd(pipeline.Data) pipeline.Action {
	return pipeline.Basic{Title: "nbd-deploy", About: "download files and serve a root disk over the network",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			where, err := served(s)
			if err != nil {
				return err
			}
			for _, key := range []string{"initrd", "kernel", "dtb", "nbdroot"} {
				if !step.Block.Has(key) {
					continue
				}
				if err := step.Add(where.get(key, step.Block.Get(key))); err != nil {
					return err
				}
			}
			if err := step.Add(overlay.New()); err != nil {
				return err
			}
			if step.Block.Get("kernel").Has("type") {
				if err := step.Add(prepareKernel()); err != nil {
					return err
				}
			}
			return step.Add(pipeline.Basic{Title: "xnbd-server-deploy", About: "start the server of the root disk", Do: startNBD,
				Check: validateNBD, Tidy: stopNBD})
		},
		Check: func(_ context.Context, s *pipeline.Session) error {
			for _, key := range []string{"kernel", "initrd", "nbdroot"} {
				if !s.Block().Has(key) {
					s.Invalid("'%s' is missing in the deploy block", key)
				}
			}
			for _, key := range []string{"nfsrootfs", "ramdisk"} {
				if s.Block().Has(key) {
					s.Invalid("'%s' cannot be used with nbd", key)
				}
			}
			return nil
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			if err := s.TFTPReady(); err != nil {
				return err
			}
			if err := s.RunChildren(ctx); err != nil {
				return err
			}
			if initrd, ok := pipeline.Get(s, pipeline.Served("initrd")); ok {
				pipeline.Put(s, pipeline.NBDInitrd, initrd)
			}
			return nil
		}}
}

// nbdServer is the running server's process.
const nbdServer pipeline.Key[*exports.NBD] = "xnbd-server-deploy/process"

func validateNBD(_ context.Context, s *pipeline.Session) error {
	if _, err := exec.LookPath("nbd-server"); err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "Cannot find command 'nbd-server' in $PATH")
	}
	if !s.Job.Get("protocols").Has("lava-xnbd") {
		s.Invalid("the job has no protocol lava-xnbd, which gives the port of the server")
	}
	return nil
}

// startNBD has a server of the host's export the root disk.
func startNBD(ctx context.Context, s *pipeline.Session) error {
	file, ok := pipeline.Get(s, pipeline.Artefact("nbdroot"))
	if !ok {
		return pipeline.Blamef(pipeline.Bug, "no file was downloaded for 'nbdroot'")
	}
	port, err := nbdPort(s)
	if err != nil {
		return err
	}
	ip, err := s.DispatcherIP("")
	if err != nil {
		return err
	}
	dir, err := s.Dir()
	if err != nil {
		return err
	}
	server := &exports.NBD{Port: port, File: file, Dir: dir}
	pipeline.Put(s, nbdServer, server)
	if err := server.Start(ctx, s.Command); err != nil {
		return err
	}
	pipeline.Put(s, pipeline.NBDServer, ip)
	pipeline.Put(s, pipeline.NBDPort, port)
	return nil
}

// nbdPort returns the port that the protocol's call has set, or the configured one. `auto`, which is
// what nearly all jobs say, is a port that is free now: two jobs of a worker must not meet.
func nbdPort(s *pipeline.Session) (string, error) {
	if port, ok := pipeline.Get(s, pipeline.NBDPort); ok {
		return port, nil
	}
	port := s.Job.Get("protocols", "lava-xnbd", "port").TextOr("auto")
	if configured := s.Dispatcher.Get("nbd_server_port").Text(); configured != "" {
		port = configured
	}
	if port == "auto" {
		l, err := net.Listen("tcp", ":0")
		if err != nil {
			return "", pipeline.Blamef(pipeline.Infrastructure, "find a free port: %w", err)
		}
		_, port, err = net.SplitHostPort(l.Addr().String())
		if err = errors.Join(err, l.Close()); err != nil {
			return "", pipeline.Blamef(pipeline.Infrastructure, "find a free port: %w", err)
		}
		return port, nil
	}
	if n, err := strconv.Atoi(port); err == nil && n > 0 && n < 1<<16 {
		return port, nil
	}
	return "", pipeline.Blame(pipeline.Job, fmt.Errorf("there is no port for the NBD server: protocols.lava-xnbd.port is '%s'", port))
}

func stopNBD(_ context.Context, s *pipeline.Session) error {
	if server, ok := pipeline.Get(s, nbdServer); ok {
		server.Stop()
	}
	return nil
}
