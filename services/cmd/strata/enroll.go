package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"strata/events"
	"strata/schemas/config"
	"strata/services/api"
)

// The word alone is on standard output, so that WORD=$(strata workers invite) holds it; what to do
// with it is said beside, on standard error. --json prints one api.Token.
func (a *app) workerInvite() *cobra.Command {
	var in api.InviteRequest
	cmd := &cobra.Command{
		Use:   "invite [WORKER]",
		Short: "Print a word with which a machine becomes a worker",
		Long: `Print a word with which one machine becomes a worker, once: "strata worker enroll" there. It may be for a certain worker;
of one that is here already the credential before is worth nothing once the word is used. "strata tokens --sessions" lists
words that nobody has used, and "strata tokens revoke" takes one back.`,
		Example: "  strata workers invite\n  strata workers invite lab2 --hours 1",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				in.Worker = events.WorkerName(args[0])
			}
			var t api.Token
			return a.ask(cmd, "workers.invite", in, &t, func() error {
				called := "" // a machine is called by its host's name otherwise
				if in.Worker != "" {
					called = " --name " + string(in.Worker)
				}
				fmt.Fprintf(a.err, "until %s, once, on the machine that is to be the worker: strata worker enroll%s --server ADDRESS --token WORD\n", t.Expires.Format(time.RFC3339), called)
				_, err := fmt.Fprintln(a.out, t.Value)
				return err
			})
		},
	}
	cmd.Flags().IntVar(&in.Hours, "hours", 24, "for how long, 1 to 720")
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why")
	return cmd
}

// enrolment is what an enrolled machine keeps, in [enrolmentFile] of the worker's data directory.
type enrolment struct {
	Server string `json:"server"`
	Name   string `json:"name"`
	Token  string `json:"token"` // the worker's own credential
}

// It is read at each start of the worker: who deletes it has a worker that does not know its lab any
// more.
const enrolmentFile = "enrolment.json"

// A word is good once, so its order matters: the place for the credential is made before the word is
// used, and the file takes its name only when it is whole and on disk.
func (a *app) workerEnroll() *cobra.Command {
	var name, data string
	cmd := &cobra.Command{
		Use:   "enroll",
		Short: "Make this machine a worker of a lab",
		Long: `Make this machine a worker of a lab, with a word that "strata workers invite" printed there. The worker's own credential
is kept in its data directory, readable by its owner alone, with the lab's address; "strata worker" then needs nothing more.
The word is worth nothing afterwards.

Where the service strata-worker is installed, root enrolls that: it starts by itself.`,
		Example: "  strata worker enroll --server https://lab.example.com --token WORD\n  strata worker",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			word := a.token
			if word == "" {
				return misuse("say the word that `strata workers invite` printed: --token WORD, or STRATA_TOKEN")
			}
			a.token = "" // it opens nothing on the bus
			service := data == "" && a.installedWorker()
			switch {
			case service:
				data = workerDirectory
			case data == "":
				data = filepath.Join(a.defaultData(), "worker")
			}
			file := filepath.Join(data, enrolmentFile)
			// What would not be kept would have used the word up for nothing.
			if err := os.MkdirAll(data, 0o700); err != nil {
				return fmt.Errorf("make the worker's data directory: %w", err)
			}
			keep, err := os.OpenFile(file+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
			if err != nil {
				return fmt.Errorf("keep the worker's credential: %w", err)
			}
			defer os.Remove(file + ".new")
			defer keep.Close()
			server := a.server
			if server == "" {
				r, err := a.local()
				if err != nil {
					return err
				}
				server = r.NATS
			}
			c, done, err := a.client()
			if err != nil {
				return err
			}
			defer done()
			var w api.Worker
			if err := c.Call(cmd.Context(), "workers.enroll", api.EnrollRequest{Word: word, Worker: events.WorkerName(name)}, &w); err != nil {
				return explain(err)
			}
			text, err := json.MarshalIndent(enrolment{Server: withoutUser(server), Name: name, Token: w.Token}, "", "  ")
			if err != nil {
				return err
			}
			_, err = keep.Write(append(text, '\n'))
			if err := errors.Join(err, keep.Chmod(0o600), ownedLike(keep, data), keep.Sync(), os.Rename(file+".new", file)); err != nil {
				return fmt.Errorf("keep the worker's credential: %w; ask for another word: this one was used", err)
			}
			if a.json {
				w.Token = "" // it is in the file
				return a.printJSON(w)
			}
			if service {
				_, err = fmt.Fprintf(a.out, "worker %s is enrolled; the service strata-worker starts by itself\n", name)
				return err
			}
			_, err = fmt.Fprintf(a.out, "worker %s is enrolled; start it with: strata worker%s\n", name, dataFlag(data, filepath.Join(a.defaultData(), "worker")))
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&name, "name", hostname(), "name of this worker in the lab")
	f.StringVar(&data, "data", "", "the worker's data directory; by default that of the service for root, where it is installed, or else the usual one")
	return cmd
}

// dataFlag returns the flag that names a directory where it is not the usual one.
func dataFlag(data, usual string) string {
	if data == usual {
		return ""
	}
	return " --data " + data
}

// asEnrolled fills in what the enrolment of this machine says and neither flags nor configuration do.
// named says that --name was given: a worker that calls itself otherwise than its credential would be
// let in nowhere.
func (a *app) asEnrolled(c *config.Config, named bool) error {
	if a.token != "" || c.Broker.Token != "" || c.Broker.TokenFile != "" {
		return nil
	}
	file := filepath.Join(c.Data, enrolmentFile)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var e enrolment
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	if err == nil && (e.Server == "" || e.Name == "" || e.Token == "") {
		err = errors.New("server, name or token is missing")
	}
	if err != nil {
		return fmt.Errorf("%s does not say who this worker is (%w): remove it and enroll the machine anew", file, err)
	}
	if named && c.Worker.Name != e.Name {
		return misuse("--name %s: this machine was enrolled as %s; enroll it anew, or name another directory with --data", c.Worker.Name, e.Name)
	}
	c.Worker.Name, c.Broker.Token = e.Name, e.Token
	if a.server == "" && c.Broker.URL == "" {
		c.Broker.URL = e.Server
	}
	return nil
}
