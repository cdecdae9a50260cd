package exports

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"strata/dispatcher/pipeline"
)

// quiet is a log for nobody.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// files makes a folder with one file of each kind that a server may meet.
func files(t *testing.T, dir string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(dir, "deploy", "sub"), 0o755))
	must(os.WriteFile(filepath.Join(dir, "deploy", "kernel"), kernel(), 0o644))
	must(os.WriteFile(filepath.Join(dir, "deploy", "empty"), nil, 0o644))
	must(os.WriteFile(filepath.Join(dir, "deploy", "secret"), []byte("s"), 0o600))
	must(os.WriteFile(filepath.Join(dir, "..", "outside"), []byte("o"), 0o644))
	must(os.Symlink("kernel", filepath.Join(dir, "deploy", "inside")))
	must(os.Symlink("../../outside", filepath.Join(dir, "deploy", "out")))
	must(os.Symlink("/etc/passwd", filepath.Join(dir, "deploy", "absolute")))
	must(syscall.Mkfifo(filepath.Join(dir, "deploy", "pipe"), 0o644))
}

// kernel is content of several blocks.
func kernel() []byte { return bytes.Repeat([]byte("0123456789abcdef"), 5000) }

// refused are names that no server may answer, each for another reason.
func refused() []string {
	return []string{
		"", "/", "42", "42/", "42/deploy", "42/deploy/", "42/deploy/none", "none/deploy/kernel",
		"42/deploy/secret", "42/deploy/out", "42/deploy/absolute", "42/deploy/pipe", "42/deploy/sub",
		"../outside", "42/../outside", "42/deploy/../../outside", "42/../../../etc/passwd", "/etc/passwd",
		"42/deploy/kernel/x", ".hidden/kernel", "42/" + strings.Repeat("a/", 100) + "x", "42/" + strings.Repeat("n", 300),
	}
}

func start(t *testing.T, s Settings) *Servers {
	t.Helper()
	if s.Logger == nil {
		s.Logger = quiet()
	}
	if s.After == nil {
		s.After = time.After
	}
	servers, err := Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(servers.Close)
	return servers
}

// The log says whose server shows the files, and its port in numbers.
func TestTFTPLogged(t *testing.T) {
	t.Parallel()
	logged := func(s Settings) (*Servers, string) {
		var out bytes.Buffer
		s.Logger = slog.New(slog.NewTextHandler(&out, nil))
		servers := start(t, s)
		return servers, out.String()
	}
	servers, own := logged(Settings{Dir: t.TempDir(), TFTP: "127.0.0.1:0"})
	e := servers.For("", "").TFTP
	port := " port=" + strconv.Itoa(e.Port)
	if !strings.Contains(own, `msg="TFTP served" dir=`) || !strings.Contains(own, port) {
		t.Errorf("own server: %s", own)
	}
	// To another worker it is a server of the host.
	_, theirs := logged(Settings{Dir: t.TempDir(), Worker: "w1", TFTPDir: e.Dir, TFTP: "127.0.0.1" + strings.Replace(port, " port=", ":", 1)})
	if !strings.Contains(theirs, `msg="TFTP served by the host's own server" dir=`) || !strings.Contains(theirs, port) || !strings.Contains(theirs, "path=strata-w1") {
		t.Errorf("a server of the host: %s", theirs)
	}
}

func TestTFTP(t *testing.T) {
	t.Parallel()
	servers := start(t, Settings{Dir: t.TempDir(), TFTP: "127.0.0.1:0"})
	e := servers.For("42-7", "").TFTP
	if e.Fault != "" || e.Port == 0 {
		t.Fatalf("export %+v", e)
	}
	files(t, filepath.Join(e.Dir, "42"))
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(e.Port))
	for _, name := range []string{"42/deploy/kernel", "/42/deploy/kernel", "42//deploy/./kernel", "42/deploy/inside"} {
		got, err := Fetch(address, name, 1<<20)
		if err != nil || !bytes.Equal(got, kernel()) {
			t.Errorf("%q: %d bytes, %v", name, len(got), err)
		}
	}
	if got, err := Fetch(address, "42/deploy/empty", 1); err != nil || len(got) != 0 {
		t.Errorf("an empty file: %d bytes, %v", len(got), err)
	}
	if _, err := Fetch(address, "42/deploy/kernel", 100); err == nil {
		t.Error("a file longer than the limit was taken")
	}
	for _, name := range refused() {
		// The words are those that boot loaders print, and that LAVA's patterns look for.
		if got, err := Fetch(address, name, 1<<20); err == nil || !strings.HasSuffix(err.Error(), "File not found") {
			t.Errorf("%q: %d bytes, %v; want refused", name, len(got), err)
		}
	}
	if err := servers.Forget("42"); err != nil {
		t.Fatal(err)
	}
	if _, err := Fetch(address, "42/deploy/kernel", 1<<20); err == nil {
		t.Error("a job's files are served after the job")
	}
}

func TestForgetStaysInside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	servers := start(t, Settings{Dir: filepath.Join(dir, "servers"), TFTP: "127.0.0.1:0"})
	root := servers.For("", "").TFTP.Dir
	for _, folder := range []string{"", ".", "..", "../..", "/", "a/../.."} {
		if err := servers.Forget(folder); err != nil {
			t.Errorf("forget %q: %v", folder, err)
		}
		if _, err := os.Stat(root); err != nil {
			t.Fatalf("forget %q took the server's directory: %v", folder, err)
		}
	}
}

func TestWeb(t *testing.T) {
	t.Parallel()
	scratch := filepath.Join(t.TempDir(), "scratch")
	if err := os.Mkdir(scratch, 0o700); err != nil {
		t.Fatal(err)
	}
	files(t, scratch)
	servers := start(t, Settings{Dir: t.TempDir(), Web: "127.0.0.1:0", Folder: func(name string) string {
		if name == "42" {
			return scratch
		}
		return ""
	}})
	e := servers.For("42", scratch).Web
	if e.Fault != "" || e.Dir != scratch || e.Path != "tmp/42" {
		t.Fatalf("export %+v", e)
	}
	base := fmt.Sprintf("http://127.0.0.1:%d/tmp/", e.Port)
	ask := func(method, path, rnge string) (int, string, http.Header) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, base, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = "/tmp/" + path // as it is, not cleaned
		if rnge != "" {
			req.Header.Set("Range", rnge)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body), resp.Header
	}
	code, body, head := ask(http.MethodGet, "42/deploy/kernel", "")
	if code != 200 || body != string(kernel()) || head.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("file: %d, %d bytes, %v", code, len(body), head)
	}
	if code, body, _ = ask(http.MethodGet, "42/deploy/kernel", "bytes=16-31"); code != 206 || body != "0123456789abcdef" {
		t.Errorf("range: %d %q", code, body)
	}
	if code, _, _ = ask(http.MethodHead, "42/deploy/kernel", ""); code != 200 {
		t.Errorf("head: %d", code)
	}
	for _, method := range []string{http.MethodPut, http.MethodPost, http.MethodDelete} {
		if code, _, _ = ask(method, "42/deploy/kernel", ""); code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, code)
		}
	}
	for _, name := range append(refused(), "42/deploy/%2e%2e/%2e%2e/outside", "%2e%2e/tmp/x") {
		if code, body, _ := ask(http.MethodGet, name, ""); code != 404 {
			t.Errorf("%q: %d %q; want 404", name, code, body)
		}
	}
}

// A job's process outlives the worker, and knows the port.
func TestWebKeepsItsPort(t *testing.T) {
	t.Parallel()
	settings := Settings{Dir: t.TempDir(), Web: "127.0.0.1:0", Logger: quiet(), After: time.After}
	port := 0
	for i := range 3 {
		servers, err := Start(t.Context(), settings)
		if err != nil {
			t.Fatal(err)
		}
		got := servers.For("", "").Web.Port
		if i > 0 && got != port {
			if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil { // nobody else has it
				l.Close()
				t.Errorf("start %d: port %d, want %d as before", i, got, port)
			}
		}
		port = got
		servers.Close()
	}
	// Where it is taken meanwhile, by this test or by another program, another is better than none.
	if taken, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
		defer taken.Close()
	}
	if e := start(t, settings).For("", "").Web; e.Fault != "" || e.Port == port {
		t.Errorf("with the port taken: %+v", e)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	taken, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	moved := make(chan time.Time)
	servers := start(t, Settings{
		Dir: t.TempDir(), Worker: "w1", TFTP: taken.LocalAddr().String(), Web: "nonsense",
		After: func(time.Duration) <-chan time.Time { return moved },
	})
	offer := servers.For("42-7", "/x")
	if !strings.Contains(offer.TFTP.Fault, "address already in use") || !strings.Contains(offer.Web.Fault, "nonsense") {
		t.Errorf("offer %+v", offer)
	}
	if offer.Web.Dir != "" {
		t.Errorf("a web server that is not there has a directory: %+v", offer.Web)
	}
	taken.Close()
	moved <- time.Time{}
	deadline := time.Now().Add(time.Minute)
	for servers.For("", "").TFTP.Fault != "" {
		if time.Now().After(deadline) {
			t.Fatalf("the port is free: %s", servers.For("", "").TFTP.Fault)
		}
		select { // the goroutine may ask for the time once more
		case moved <- time.Time{}:
		default:
		}
	}
}

func TestNothingAsked(t *testing.T) {
	t.Parallel()
	offer := start(t, Settings{Dir: t.TempDir()}).For("42", "/x")
	if offer.TFTP != (pipeline.Export{}) || offer.Web.Port != 0 {
		t.Errorf("offer %+v", offer)
	}
}

// Devices are told an address at which somebody listens.
func TestAddress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ tftp, web, want string }{
		{"", "", ""},
		{":69", ":8070", ""},
		{":69", "127.0.0.1:0", ""},
		{"0.0.0.0:69", "", ""},
		{"127.0.0.1:69", "127.0.0.1:0", "10.0.2.2"},
		{"", "[::1]:0", "10.0.2.2"},
		{"192.0.2.9:69", "192.0.2.9:80", "192.0.2.9"},
		{"lab.example.com:69", "", ""},
	} {
		if got := (Settings{TFTP: tt.tftp, Web: tt.web}).address(); got != tt.want {
			t.Errorf("address of TFTP on %q and HTTP on %q: %q, want %q", tt.tftp, tt.web, got, tt.want)
		}
	}
}

// Doors are opened where the web server is, whether this job needs that or not.
func TestFileDoor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		web, ports string
		want       *pipeline.FileDoor
	}{
		{":8070", "", &pipeline.FileDoor{}},
		{"127.0.0.1:0", "42000-42099", &pipeline.FileDoor{Host: "127.0.0.1", Ports: "42000-42099", Address: "10.0.2.2"}},
		{"192.0.2.9:80", "", &pipeline.FileDoor{Host: "192.0.2.9", Address: "192.0.2.9"}},
		{"127.0.0.1:0", "none", nil},
		{"", "", nil},
	} {
		offer, stop, err := OneJob(t.Context(), []byte("actions: []"), t.TempDir(), Settings{Web: tt.web, FilePorts: tt.ports, Logger: quiet(), After: time.After})
		if err != nil {
			t.Fatal(err)
		}
		stop()
		if got := offer.Files; !reflect.DeepEqual(got, tt.want) {
			t.Errorf("web on %q, ports %q: doors at %+v, want %+v", tt.web, tt.ports, got, tt.want)
		}
	}
}

func TestHPADirectory(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"# x\nTFTP_USERNAME=\"tftp\"\nTFTP_DIRECTORY=\"/srv/tftp\"\n": "/srv/tftp",
		"TFTP_DIRECTORY=/var/lib/tftpboot":                            "/var/lib/tftpboot",
		"TFTP_DIRECTORY='/x y'\n":                                     "/x y",
		"TFTP_DIRECTORY=srv\n":                                        "",
		"#TFTP_DIRECTORY=/srv\n":                                      "",
	} {
		file := filepath.Join(t.TempDir(), "tftpd-hpa")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := hpaDirectory(file); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	for _, name := range refused() {
		f.Add(name)
	}
	f.Add("42/deploy/kernel")
	dir := f.TempDir()
	secret := filepath.Join(dir, "outside")
	folder := filepath.Join(dir, "root", "42")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(secret, []byte("o"), 0o644); err != nil {
		f.Fatal(err)
	}
	if err := os.Symlink("../../outside", filepath.Join(folder, "out")); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		folder, rest, err := split(name)
		if err != nil {
			return
		}
		if folder == "" || strings.ContainsAny(folder, "/\x00") || folder == ".." {
			t.Fatalf("%q has the folder %q", name, folder)
		}
		if file, _, err := open(filepath.Join(dir, "root", folder), rest); err == nil {
			file.Close()
			t.Fatalf("%q opens a file of an empty directory", name)
		}
	})
}
