package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"strata/dispatcher/worker"
	"strata/dispatcher/worker/jobproc"
	"strata/schemas/order"
)

// TestMain makes this binary, started again, a job's process or a worker's: both have to be processes
// of their own that a test can kill.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "job" {
		log := slog.New(slog.NewTextHandler(os.Stderr, nil))
		if err := jobproc.Main(os.Args[2], jobproc.Deps{Run: play, Now: time.Now, Logger: log}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) == 4 && os.Args[1] == "worker" {
		err := worker.Run(context.Background(), worker.Deps{Name: name, Servers: os.Args[3], Token: "any", StateDir: os.Args[2],
			Command: []string{os.Args[0], "job"}, Build: "test", Now: time.Now, After: time.After,
			Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// As a service manager gives a worker credentials; see TestEnvironment.
	if err := os.Setenv("PDU_PASSWORD", "workers-own"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// play does what a script says, line by line, instead of a pipeline:
//
//	say TEXT       log a line
//	count N        log the numbers below N
//	note PATH      add a byte to a file: tells how often the job ran
//	await PATH     wait until a file is there; a cancel ends the job here
//	hold PATH      lock a file for the rest of the job's life; fails where another has it
//	spawn PATH     start a process in a group of its own, and write its number to a file
//	serve NAME     leave a file for devices on the TFTP and on the web server, and log how to get it
//	escape PATH    start a process in a session of its own that ignores SIGHUP, and write its number
//	env NAME       log a variable of the environment
//	stubborn       ignore every wish to end, but log it
//	crash          die without a result
//	fail TEXT      end with an error
//	rant N         end with an error of N bytes
func play(ctx context.Context, j jobproc.Job) order.Verdict {
	for _, line := range strings.Split(j.Order.Work.Definition.Inline, "\n") {
		verb, arg, _ := strings.Cut(line, " ")
		if err := step(ctx, j, verb, arg); err != nil {
			return order.Verdict{Result: "fail", ErrorType: verb, Error: err.Error()}
		}
	}
	return order.Verdict{Result: "pass"}
}

func step(ctx context.Context, j jobproc.Job, verb, arg string) error {
	switch verb {
	case "say":
		j.Log.Info("%s", arg)
	case "count":
		n, err := strconv.Atoi(arg)
		if err != nil {
			return err
		}
		for i := range n {
			j.Log.Info("%d", i)
		}
	case "note":
		f, err := os.OpenFile(arg, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString("x")
		return err
	case "await":
		return awaitFile(ctx, arg)
	case "hold":
		return hold(arg)
	case "spawn", "escape":
		cmd := exec.Command("sh", "-c", "trap '' HUP TERM; sleep 1000")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: verb == "spawn", Setsid: verb == "escape"}
		if err := cmd.Start(); err != nil {
			return err
		}
		return os.WriteFile(arg, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600)
	case "env":
		j.Log.Info("%s=%s", arg, os.Getenv(arg))
	case "serve":
		return serve(j, arg)
	case "stubborn":
		j.Log.Info("begins")
		<-ctx.Done()
		j.Log.Info("%v", context.Cause(ctx))
		<-j.Again
		j.Log.Info("asked again")
		select {}
	case "crash":
		fmt.Fprintln(os.Stderr, "panic: all is lost")
		os.Exit(2)
	case "rant":
		n, err := strconv.Atoi(arg)
		return errors.Join(err, errors.New(strings.Repeat("x", n)))
	case "fail":
		return fmt.Errorf("%s", arg)
	}
	return nil
}

func awaitFile(ctx context.Context, path string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if exists(path) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// hold locks a file for as long as the process lives.
func hold(path string) error {
	fd, err := syscall.Open(path, syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("another job has the board: %w", err)
	}
	return nil
}

// serve writes a file where each of the worker's servers shows it.
func serve(j jobproc.Job, name string) error {
	var task jobproc.Task
	if err := jobproc.Read(filepath.Join(j.Dir, jobproc.TaskFile), &task); err != nil {
		return err
	}
	tftp, web := task.Services.TFTP, task.Services.Web
	folder := filepath.Join(tftp.Dir, jobproc.Folder(j.Order))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{folder, web.Dir} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("for the device"), 0o644); err != nil {
			return err
		}
	}
	j.Log.Info("127.0.0.1:%d %s/%s http://127.0.0.1:%d/%s/%s", tftp.Port, jobproc.Folder(j.Order), name, web.Port, web.Path, name)
	return nil
}
