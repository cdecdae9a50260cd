package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"strata/events"
)

// postgresHow says what is compared with.
const postgresHow = "Debian's PostgreSQL on the same disk, started by the measurement with 512 MB of shared buffers; tables as LAVA has them, " +
	"with their primary keys, unique constraints and an index on every foreign key."

// postgresTables are the tables of jobs and results as LAVA has them, as far as the questions need them,
// with the indexes that it makes: of keys, unique names and foreign keys.
// Types and lengths are those of LAVA's models: they decide how large rows are.
const postgresTables = `
CREATE TABLE auth_user (id integer PRIMARY KEY, username varchar(150) UNIQUE NOT NULL);
CREATE TABLE testjob (id integer PRIMARY KEY, submitter_id integer NOT NULL REFERENCES auth_user, is_public boolean NOT NULL,
	description varchar(200), requested_device_type_id varchar(50), actual_device_id varchar(50), submit_time timestamptz NOT NULL,
	start_time timestamptz, end_time timestamptz, state integer NOT NULL, health integer NOT NULL, priority integer NOT NULL, metadata jsonb);
CREATE INDEX ON testjob (submitter_id);
CREATE INDEX ON testjob (requested_device_type_id);
CREATE INDEX ON testjob (actual_device_id);
CREATE TABLE testsuite (id integer PRIMARY KEY, job_id integer NOT NULL REFERENCES testjob, name varchar(200) NOT NULL, UNIQUE (job_id, name));
CREATE INDEX ON testsuite (job_id);
CREATE TABLE testset (id integer PRIMARY KEY, suite_id integer NOT NULL REFERENCES testsuite, name varchar(200) NOT NULL, UNIQUE (suite_id, name));
CREATE INDEX ON testset (suite_id);
CREATE TABLE testcase (id bigint PRIMARY KEY, name text NOT NULL, units text NOT NULL, result smallint NOT NULL, measurement numeric(30,10),
	metadata varchar(4096), suite_id integer NOT NULL REFERENCES testsuite, test_set_id integer REFERENCES testset,
	start_log_line integer, end_log_line integer, logged timestamptz NOT NULL);
CREATE INDEX ON testcase (suite_id);
CREATE INDEX ON testcase (test_set_id);
`

// postgres is a server on a socket of its own.
type postgres struct {
	*bench
	dir    string
	server *exec.Cmd
	ended  chan error
}

// startPostgres makes a cluster and starts it. PostgreSQL refuses to run as root: then it runs as
// nobody, in a directory beside the scratch one, which is ours alone.
// It listens on a socket in its own directory and on no port, so it disturbs no other.
func (b *bench) startPostgres(ctx context.Context) (p *postgres, err error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return nil, errors.Join(err, errors.New("there is no PostgreSQL to compare with: install Debian's package postgresql"))
	}
	bin := filepath.Dir(found[len(found)-1])
	p = &postgres{bench: b, ended: make(chan error, 1)}
	if p.dir, err = os.MkdirTemp(filepath.Dir(b.scratch), "strata-bench-pg-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(p.dir))
		}
	}()
	attributes := &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		if attributes.Credential, err = nobody(); err != nil {
			return nil, err
		}
		if err := os.Chown(p.dir, int(attributes.Credential.Uid), int(attributes.Credential.Gid)); err != nil {
			return nil, err
		}
	}
	data := filepath.Join(p.dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
	initdb.Dir, initdb.SysProcAttr = p.dir, attributes
	if text, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make a PostgreSQL cluster: %w\n%s", err, text)
	}
	p.server = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", p.dir, "-c", "listen_addresses=", "-c", "shared_buffers=512MB",
		"-c", "max_wal_size=4GB", "-c", "timezone=UTC")
	p.server.Dir, p.server.SysProcAttr = p.dir, attributes
	if err := p.server.Start(); err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	go func() { p.ended <- p.server.Wait() }()
	if err := p.await(ctx); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// nobody returns the user without rights.
func nobody() (*syscall.Credential, error) {
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err, gerr)
}

// await waits until the server answers.
func (p *postgres) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := p.psql(ctx, strings.NewReader("SELECT 1;\n"))
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// stop ends the server at once, as nobody needs its data again, and removes them.
func (p *postgres) stop() error {
	err := p.server.Process.Signal(syscall.SIGINT)
	<-p.ended
	return errors.Join(err, os.RemoveAll(p.dir))
}

// psql runs a script and returns what it prints.
// It stops at the first error. What the script prints is held in memory: counts and times, no rows.
func (p *postgres) psql(ctx context.Context, script io.Reader) ([]byte, error) {
	run := exec.CommandContext(ctx, "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", p.dir, "-U", "bench", "-d", "postgres")
	var out, said bytes.Buffer
	run.Stdin, run.Stdout, run.Stderr = script, &out, &said
	if err := run.Run(); err != nil {
		return nil, fmt.Errorf("psql: %w: %s", err, said.String())
	}
	return out.Bytes(), nil
}

// measure loads a year and asks its questions. It returns bytes and cases a second, then the p95 of
// each question in milliseconds.
// VACUUM FULL and ANALYZE come before the questions, as a database that has stood for a while has had
// both.
func (p *postgres) measure(ctx context.Context, y *caseYear) (row []float64, err error) {
	if _, err := p.psql(ctx, strings.NewReader(postgresTables)); err != nil {
		return nil, err
	}
	y.say("loading PostgreSQL")
	if _, err := p.load(ctx, y.postgresJobs); err != nil {
		return nil, err
	}
	took, err := p.load(ctx, y.postgresCases)
	if err != nil {
		return nil, err
	}
	text, err := p.psql(ctx, strings.NewReader("VACUUM FULL ANALYZE;\n"+
		"SELECT pg_total_relation_size('testsuite') + pg_total_relation_size('testset') + pg_total_relation_size('testcase');\n"))
	if err != nil {
		return nil, err
	}
	size, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	if err != nil {
		return nil, fmt.Errorf("measure PostgreSQL's tables: %w", err)
	}
	cases := float64(y.sizes.yearJobs * y.sizes.yearCases)
	row = []float64{size / cases, cases / took.Seconds()}
	for _, q := range questions() {
		times, err := p.ask(ctx, q, y.draw())
		if err != nil {
			return nil, fmt.Errorf("ask PostgreSQL for %s: %w", q.name, err)
		}
		row = append(row, percentile(times, 95))
	}
	return row, nil
}

// load runs a script that is written while it runs.
func (p *postgres) load(ctx context.Context, write func(*bufio.Writer)) (time.Duration, error) {
	in, out := io.Pipe()
	go func() {
		w := bufio.NewWriterSize(out, 1<<20)
		write(w)
		out.CloseWithError(w.Flush())
	}()
	began := p.now()
	_, err := p.psql(ctx, in)
	in.Close() // lets the writer go where psql ended early
	return p.now().Sub(began), err
}

// ask asks one question with all values and returns the times that psql took, all rows fetched.
// The time is psql's own, of question and fetching; what it prints goes to /dev/null.
func (p *postgres) ask(ctx context.Context, q question, all []values) (times []time.Duration, err error) {
	var script strings.Builder
	script.WriteString("\\o /dev/null\n\\timing on\n")
	for _, v := range all {
		fmt.Fprintf(&script, "\\set job %d\n", v.job)
		for name, value := range map[string]string{"user": string(v.user), "name": v.name, "branch": v.branch, "build": v.build, "word": v.word,
			"from": v.from, "test": v.test} {
			fmt.Fprintf(&script, "\\set %s '%s'\n", name, value) // made values have no quotes
		}
		script.WriteString(q.there + ";\n")
	}
	text, err := p.psql(ctx, strings.NewReader(script.String()))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if ms, found := strings.CutPrefix(line, "Time: "); found {
			ms, _, _ = strings.Cut(ms, " ms")
			n, err := strconv.ParseFloat(ms, 64)
			if err != nil {
				return nil, fmt.Errorf("read psql's %q: %w", line, err)
			}
			times = append(times, time.Duration(n*float64(time.Millisecond)))
		}
	}
	if len(times) != len(all) {
		return nil, fmt.Errorf("psql timed %d of %d questions", len(times), len(all))
	}
	return times, nil
}

// postgresJobs writes users, jobs, suites and sets as a script of COPY.
func (y *caseYear) postgresJobs(w *bufio.Writer) {
	users := map[events.UserName]int{}
	var jobs, suites, sets bytes.Buffer
	y.eachSuite(func(job events.JobID, suite int, name string) { fmt.Fprintf(&suites, "%d\t%d\t%s\n", suite, job, name) },
		func(suite, set int, name string) { fmt.Fprintf(&sets, "%d\t%d\t%s\n", set, suite, name) }, nil)
	for job := events.JobID(1); job <= events.JobID(y.sizes.yearJobs); job++ {
		name := y.lab.Submitter(job)
		if users[name] == 0 {
			users[name] = len(users) + 1
		}
		health := map[events.JobHealth]int{events.Complete: 1, events.Incomplete: 2}[y.lab.Health(job)]
		start := y.lab.Start(job)
		fmt.Fprintf(&jobs, "%d\t%d\t%t\t%s\t%s\t%s\t%s\t%s\t%s\t5\t%d\t50\t{\"branch\": \"%s\", \"build\": \"%s\"}\n", job, users[name], y.lab.Public(job),
			y.lab.Name(job), y.lab.DeviceType(job), y.lab.Device(job), start.Add(-time.Minute).Format(time.RFC3339), start.Format(time.RFC3339),
			y.lab.End(job).Format(time.RFC3339), health, y.lab.Branch(job), y.lab.Build(job))
	}
	fmt.Fprintln(w, "COPY auth_user FROM STDIN;")
	for name, id := range users {
		fmt.Fprintf(w, "%d\t%s\n", id, name)
	}
	for _, t := range []struct {
		name string
		rows *bytes.Buffer
	}{{"testjob", &jobs}, {"testsuite", &suites}, {"testset", &sets}} {
		fmt.Fprintf(w, "\\.\nCOPY %s FROM STDIN;\n", t.name)
		_, _ = t.rows.WriteTo(w) // an error stays with w, whose Flush returns it
	}
	fmt.Fprintln(w, `\.`)
}

// postgresCases writes all cases as a script of COPY.
func (y *caseYear) postgresCases(w *bufio.Writer) {
	fmt.Fprintln(w, "COPY testcase FROM STDIN;")
	id := 0
	y.eachSuite(nil, nil, func(c events.Case, suite, set int) {
		id++
		measurement, of := `\N`, `\N`
		if c.Measurement != nil {
			measurement = strconv.FormatFloat(*c.Measurement, 'f', 10, 64)
		}
		if set > 0 {
			of = strconv.Itoa(set)
		}
		result := slices.Index([]events.Outcome{events.Pass, events.Fail, events.Skip}, c.Result)
		// The metadata are the whole report, in YAML.
		fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%s\t{case: %s, definition: %s, result: %s}\t%d\t%s\t%d\t%d\t%s\n", id, c.Name, c.Units, result, measurement,
			c.Name, c.Suite, c.Result, suite, of, *c.StartLine, *c.EndLine, c.At.Format("2006-01-02 15:04:05.000000Z07:00"))
	})
	fmt.Fprintln(w, `\.`)
}

// eachSuite numbers the suites and sets of all jobs and hands them and the cases over; a nil function
// wants none.
// Numbers rise from 1 in the order in which they are met, the same in each pass: scripts that are
// written apart fit together.
func (y *caseYear) eachSuite(suite func(events.JobID, int, string), set func(suite, set int, name string), each func(c events.Case, suite, set int)) {
	suites, sets := 0, 0
	for job := events.JobID(1); job <= events.JobID(y.sizes.yearJobs); job++ {
		bySuite, bySet := map[string]int{}, map[[2]string]int{}
		for _, c := range y.lab.Cases(job, y.sizes.yearCases) {
			if bySuite[c.Suite] == 0 {
				suites++
				if bySuite[c.Suite] = suites; suite != nil {
					suite(job, suites, c.Suite)
				}
			}
			in := [2]string{c.Suite, c.Set}
			if c.Set != "" && bySet[in] == 0 {
				sets++
				if bySet[in] = sets; set != nil {
					set(bySuite[c.Suite], sets, c.Set)
				}
			}
			if each != nil {
				each(c, bySuite[c.Suite], bySet[in])
			}
		}
	}
}
