package boot

import (
	"context"
	"fmt"
	"path"
	"strings"

	"strata/dispatcher/pipeline"
)

// kexec has a running Linux start another kernel.
//
// There is no reset and no boot loader between the two: the console stays, and what shows that the
// old kernel has let go is a message that the block names. With on_panic the new kernel is started by
// a crash of the old one, as a crash dump would be.
func kexec(pipeline.Data) pipeline.Action {
	return retried("kexec-boot", "start another kernel out of the running one",
		func(step *pipeline.Step, _ *pipeline.Session) []pipeline.Action {
			actions := []pipeline.Action{callKexec(), autoLogin(true), expectShell{}}
			if step.Block.Has("transfer_overlay") {
				actions = append(actions, &unpack{})
			}
			return append(actions, exportEnv{})
		})
}

// callKexec is call-kexec.
func callKexec() pipeline.Action {
	return pipeline.Basic{Title: "call-kexec", About: "load the kernel with kexec and start it",
		Check: func(_ context.Context, s *pipeline.Session) error {
			if !s.Block().Has("boot_message") {
				s.Invalid("Missing boot_message, what the new kernel prints first")
			}
			_, execute := kexecLines(s)
			if strings.TrimSpace(execute) == "" {
				s.Invalid("No kexec command to execute")
			}
			return nil
		},
		Do: func(ctx context.Context, s *pipeline.Session) error {
			c, err := console(s)
			if err != nil {
				return err
			}
			load, execute := kexecLines(s)
			fetch, err := kexecFetches(s)
			if err != nil {
				return err
			}
			// Waits on a shell are as quick as the connection's timeout says.
			for _, line := range append(fetch, load...) {
				if err := s.SendLine(ctx, c, line); err != nil {
					return err
				}
				if _, err := menuWaitAny(ctx, s, c, c.Prompts); err != nil {
					return err
				}
			}
			if err := s.SendLine(ctx, c, execute); err != nil {
				return err
			}
			_, err = menuWaitAny(ctx, s, c, s.Block().Get("boot_message").Texts())
			return err
		}}
}

// kexecLines returns what is typed: the lines that load the kernel, and the one that starts it.
func kexecLines(s *pipeline.Session) (load []string, execute string) {
	block := s.Block()
	command := block.Get("command").TextOr("/sbin/kexec")
	if config := block.Get("kernel-config").Text(); config != "" {
		load = append(load, "zgrep -i kexec "+config+" |grep -v '^#'")
	}
	line := []string{command}
	if kernel := block.Get("kernel").Text(); kernel != "" {
		flag := "--load"
		if block.Get("on_panic").True() {
			flag = "--load-panic"
		}
		line = append(line, flag, kernel)
	}
	if dtb := block.Get("dtb").Text(); dtb != "" {
		line = append(line, "--dtb", dtb)
	}
	if initrd := block.Get("initrd").Text(); initrd != "" {
		line = append(line, "--initrd", initrd)
	}
	line = append(line, block.Get("options").Texts()...)
	load = append(load, strings.Join(line, " "))
	if block.Get("on_panic").True() {
		return load, "echo c > /proc/sysrq-trigger"
	}
	return load, command + " -e"
}

// kexecFetches returns what fetches the files that the block deploys, from the worker's web server.
func kexecFetches(s *pipeline.Session) ([]string, error) {
	if !s.Block().Has("deploy") {
		return nil, nil
	}
	var lines []string
	for _, key := range []string{"kernel", "dtb", "initrd"} {
		to := s.Block().Get(key).Text()
		file, ok := pipeline.Get(s, pipeline.Artefact(key))
		if to == "" || !ok {
			continue
		}
		from, err := s.WebURL(file)
		if err != nil {
			return nil, err
		}
		lines = append(lines, fmt.Sprintf("wget %s -O %s", from, path.Clean(to)))
	}
	return lines, nil
}
