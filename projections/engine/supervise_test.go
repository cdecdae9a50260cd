package engine_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"strata/projections/engine"
)

func TestSupervisorRestartsTheEngine(t *testing.T) {
	clickhouse.Database(t) // skips where there is no engine
	if os.Getenv("STRATA_CLICKHOUSE_DSN") != "" {
		t.Skip("SKIPPED: a server is under test, not the engine")
	}
	ctx, stop := context.WithCancel(t.Context())
	v, err := engine.Start(ctx, engine.Settings{Command: []string{os.Args[0], "engine-child"}, Path: t.TempDir()})
	if err != nil {
		stop()
		t.Fatal("start:", err)
	}
	defer func() { stop(); v.Wait() }()
	options, err := driver.ParseDSN(v.DSN())
	if err != nil {
		t.Fatal(err)
	}
	db, err := driver.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	mustExec(t, db, "CREATE TABLE kept (a UInt64) ENGINE = MergeTree ORDER BY a")
	mustExec(t, db, "INSERT INTO kept VALUES (1), (2)")
	killed := v.PID()
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var n uint64
	await(t, "the engine answers again", func() bool {
		return v.PID() != killed && db.QueryRow(t.Context(), "SELECT count() FROM kept").Scan(&n) == nil
	})
	if n != 2 {
		t.Errorf("after SIGKILL: %d rows; want 2", n)
	}
	stop()
	v.Wait()
	if pid := v.PID(); pid != 0 {
		t.Errorf("after the end process %d is there", pid)
	}
}

// The child ends with its parent, however that dies: the pipe that it holds closes.
func TestEngineEndsWithItsParent(t *testing.T) {
	clickhouse.Database(t)
	child := exec.CommandContext(t.Context(), os.Args[0], "engine-child", "--path", t.TempDir(), "--listen", "127.0.0.1:0")
	child.Env = append(os.Environ(), "STRATA_ENGINE_SUPERVISED=1")
	parent, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if err := parent.Close(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err != nil {
		t.Errorf("the engine ended with %v; want an orderly end", err)
	}
}

func TestStartSaysWhatTheEngineSaid(t *testing.T) {
	clickhouse.Database(t)
	_, err := engine.Start(t.Context(), engine.Settings{
		Command: []string{"sh", "-c", "echo no room for tables >&2; exit 3"}, Path: t.TempDir(),
	})
	if err == nil || !strings.Contains(err.Error(), "no room for tables") {
		t.Errorf("Start of a child that fails: %v; want its message", err)
	}
}

// A port that is free when Start looks for one may be taken when its child listens: then it is another one.
func TestStartTakesAnotherPort(t *testing.T) {
	clickhouse.Database(t)
	dir := t.TempDir()
	const child = `echo "$6" >> "$0"/tried
if [ $(wc -l < "$0"/tried) -lt 3 ]; then echo "listen tcp $6: bind: address already in use" >&2; exit 1; fi
exec "$@"`
	ctx, stop := context.WithCancel(t.Context())
	v, err := engine.Start(ctx, engine.Settings{Command: []string{"sh", "-c", child, dir, os.Args[0], "engine-child"}, Path: t.TempDir()})
	if err != nil {
		stop()
		t.Fatal("start:", err)
	}
	defer func() { stop(); v.Wait() }()
	tried, err := os.ReadFile(filepath.Join(dir, "tried"))
	if err != nil || !strings.HasSuffix(string(tried), v.Address()+"\n") {
		t.Errorf("it runs at %s after children at %q, %v", v.Address(), tried, err)
	}
	const taken = `echo "listen: bind: address already in use" >&2; exit 1`
	if _, err := engine.Start(t.Context(), engine.Settings{Command: []string{"sh", "-c", taken}, Path: t.TempDir(), Listen: "127.0.0.1:1"}); err == nil {
		t.Error("an address that is set and taken was not refused")
	}
}

func TestLibraryMissing(t *testing.T) {
	t.Setenv("STRATA_CHDB_LIB", "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err := engine.Start(t.Context(), engine.Settings{Command: []string{"false"}, Path: t.TempDir()})
	if !errors.Is(err, engine.ErrNoLibrary) || !strings.Contains(err.Error(), "make") {
		t.Errorf("Start without the library: %v; want ErrNoLibrary that says what gets it", err)
	}
	t.Setenv("STRATA_CHDB_LIB", filepath.Join(t.TempDir(), "no.so"))
	if _, err := engine.Library(); !errors.Is(err, engine.ErrNoLibrary) || !strings.Contains(err.Error(), "no.so") {
		t.Errorf("Library with a wrong STRATA_CHDB_LIB: %v; want ErrNoLibrary that names it", err)
	}
}

func TestScriptAndBindingAgree(t *testing.T) {
	file, err := os.Open("get-library.sh")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if version, ok := strings.CutPrefix(lines.Text(), "version="); ok {
			if version != engine.LibraryVersion {
				t.Errorf("get-library.sh gets %s, the binding is for %s", version, engine.LibraryVersion)
			}
			return
		}
	}
	t.Error("get-library.sh names no version")
}

func TestScriptRefusesOtherBytes(t *testing.T) {
	dir := t.TempDir()
	wrong := filepath.Join(dir, "wrong.tgz")
	if err := os.WriteFile(wrong, []byte("not the library"), 0o600); err != nil {
		t.Fatal(err)
	}
	script := exec.CommandContext(t.Context(), "bash", "get-library.sh")
	script.Env = append(os.Environ(), "XDG_CACHE_HOME="+dir, "STRATA_CHDB_LIB=", "STRATA_CHDB_TARBALL="+wrong)
	out, err := script.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "SHA-512") {
		t.Errorf("get-library.sh with a wrong tarball: %v\n%s", err, out)
	}
	left, err := filepath.Glob(filepath.Join(dir, "strata", "*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
