// Command strata is every role of a lab in one binary.
//
// `strata up` starts everything in one process with a broker of its own; `strata serve` starts
// some services against a broker elsewhere; `strata worker` runs jobs on the devices of a machine.
// The other commands are clients: they find a running `strata up` on this machine, or go where
// --server says. One file holds one command, and its Long text is its manual.
//
// Output for people goes to standard output, or JSON with --json; errors go to standard error and
// say what to do next. The exit status is 0, 1 where what was asked failed (a file that is not there
// is a failure), 2 where the command was misused: an argument or flag is missing, unknown or makes no sense.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// version is set by the linker for releases: -ldflags "-X main.version=2026.11".
var version = "devel"

// Until stop, further interrupts do nothing: a lab that is slow to end is not cut off by an impatient
// one.
func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv, now: time.Now, serviceDir: serviceDirectory,
		room: func() { giveRoom(os.Getenv); giveProcessors(os.Getenv) }}
	status := a.run(ctx, calledAs(os.Args))
	stop()
	os.Exit(status)
}

// app is what the commands share: the world around the process, and the flags of the root.
// A test makes one with buffers, a clock and an environment of its own, so that every command can be
// run in the test's process.
type app struct {
	in         io.Reader
	out, err   io.Writer
	env        func(string) string
	now        func() time.Time
	serviceDir string // where a lab that is a service of the machine says where it is
	room       func() // gives a process that runs services room in memory, and processors; nil in tests, which share theirs

	stopped <-chan struct{} // closed once the process is interrupted; see [app.input]

	server string // NATS address; "" finds a local `strata up`
	token  string
	json   bool
	color  string // auto, always, never
}

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitMisuse = 2
)

// errQuiet ends the process with status 1 and says nothing more: the command has said it.
// It may be joined with others: any error of a chain that holds it is not printed.
var errQuiet = errors.New("failed")

// usageError is a mistake in how a command was called, found by the command itself.
type usageError struct{ error }

// misuse returns a usageError, worded like fmt.Errorf.
// What the command line alone shows to be wrong is a misuse (2); what takes a file or the lab to find
// out is a failure (1).
func misuse(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run executes the command line and returns the exit status.
// Only here is an error printed, with "strata: " in front, so a command returns it and prints nothing.
func (a *app) run(ctx context.Context, args []string) int {
	started := false // cobra's own complaints about flags and arguments come before this is set
	root := a.root()
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := cmd.ValidateRequiredFlags(); err != nil {
			return err // which cobra would find later
		}
		if err := cmd.ValidateFlagGroups(); err != nil {
			return err
		}
		started = true
		return a.settle()
	}
	root.SetArgs(args)
	a.stopped = ctx.Done()
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	cmd, err := root.ExecuteContextC(ctx)
	var wrong usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errQuiet):
		return exitFailed
	case !started || errors.As(err, &wrong):
		fmt.Fprintf(a.err, "strata: %v\n", err)
		// Of a head such as "archive" the line would be no use: it has only subcommands.
		if !started && cmd.Runnable() {
			fmt.Fprintf(a.err, "Usage: %s\n", cmd.UseLine())
		}
		fmt.Fprintf(a.err, "See `%s --help`.\n", cmd.CommandPath())
		return exitMisuse
	// Nothing is said: who has pressed Ctrl-C knows why.
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitFailed // stopped by the person who started it
	default:
		fmt.Fprintf(a.err, "strata: %v\n", err)
		return exitFailed
	}
}

// settle fills what flags left open from the environment.
// Flags win over the environment, which wins over what a running lab has noted.
func (a *app) settle() error {
	if a.server == "" {
		a.server = a.env("STRATA_SERVER")
	}
	if a.token == "" {
		a.token = a.env("STRATA_TOKEN")
	}
	switch a.color {
	case "auto", "always", "never":
		return nil
	}
	return misuse("--color %q: allowed are auto, always, never", a.color)
}

// root returns the command tree.
// A command that is missing in the groups is in none, and --help lists it last; those that only other
// programs call are hidden.
func (a *app) root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "strata",
		Short: "Run a hardware test lab",
		Long: strings.TrimSpace(`
Strata runs a hardware test lab: it takes jobs in YAML, picks a device for each, deploys an image
to it, boots it, runs tests on its console, and keeps logs and results for live views and SQL.

On one machine:

  strata up                      start everything
  strata submit job.yaml -f      submit a job and follow it

Client commands find a running "strata up" of the same user; --server or STRATA_SERVER names
another lab, --token or STRATA_TOKEN says who you are there.

The exit status is 0; 1 where what was asked failed, be it that a file cannot be read or that the lab
refuses; 2 where the command was misused: an argument or flag that is missing, unknown or makes no sense.`),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	f := cmd.PersistentFlags()
	f.StringVar(&a.server, "server", "", "address of the lab, such as https://lab.example.com, or of its bus (STRATA_SERVER; default: the local strata up)")
	f.StringVar(&a.token, "token", "", "who you are (STRATA_TOKEN; who started the lab on this machine needs none)")
	f.BoolVar(&a.json, "json", false, "print JSON for programs")
	f.StringVar(&a.color, "color", "auto", "colour the output: auto, always, never")

	cmd.AddGroup(
		&cobra.Group{ID: "lab", Title: "Run a lab:"},
		&cobra.Group{ID: "jobs", Title: "Jobs:"},
		&cobra.Group{ID: "queue", Title: "Who gets a device:"},
		&cobra.Group{ID: "things", Title: "Devices and history:"},
		&cobra.Group{ID: "people", Title: "People and rights:"},
	)
	group := func(id string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = id
			cmd.AddCommand(c)
		}
	}
	group("queue", a.queueCommand(), a.policyCommand(), a.reservationsCommand())
	group("lab", a.upCommand(), a.serveCommand(), a.workerCommand(), a.keysCommand(), a.demoCommand(), a.archiveCommand(),
		a.backupCommand(), a.restoreCommand(), a.projectionsCommand())
	group("jobs", a.submitCommand(), a.jobsCommand(), a.showCommand(), a.whyCommand(), a.logsCommand(), a.resultsCommand(), a.artifactsCommand(), a.compareCommand(), a.judgeCommand(),
		a.cancelCommand(), a.priorityCommand(), a.runCommand(), a.planCommand(), a.validateCommand())
	group("jobs", a.searchCommand(), a.diffLogCommand())
	group("things", a.devicesCommand(), a.deviceTypesCommand(), a.tagsCommand(), a.workersCommand(), a.maintenanceCommand(), a.eventsCommand(), a.simulateCommand(), a.sqlCommand(), a.historyCommand(), a.knownIssuesCommand(), a.notifyCommand(), a.queryCommand(), a.chartCommand(),
		a.importCommand())
	group("things", a.grafanaCommand())
	group("people", a.usersCommand(), a.groupsCommand(), a.tokensCommand(), a.permissionsCommand(), a.secretsCommand())
	cmd.AddCommand(a.versionCommand(), a.clickhouseCommand(), a.jobCommand(), a.lavaJobCommand(), a.healthzCommand(), a.lavaRunCommand(), a.manPagesCommand())
	a.completions(cmd)
	noneUnknown(cmd)
	return cmd
}

// noneUnknown has commands that are only a head for others refuse what they do not have: cobra would print their
// help with status 0, and a script that has misspelt "archive verify" would go on.
func noneUnknown(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		if c.HasSubCommands() && !c.Runnable() {
			c.Args, c.DisableFlagsInUseLine = cobra.NoArgs, true
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
		noneUnknown(c)
	}
}
