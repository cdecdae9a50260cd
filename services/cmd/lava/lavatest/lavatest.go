// Package lavatest is a stand-in for a LAVA server: it answers to REST v0.2, XML-RPC and pages of devices as
// one does, out of tables that a test fills, in a test's own process. It knows what an import asks and
// nothing else, and fails the test of whoever wants to change something.
package lavatest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Row is a row of a list as JSON has it.
type Row = map[string]any

// Lab is what the server knows. A test may change it between two requests of its own.
type Lab struct {
	User, Token string
	Lists       map[string][]Row  // by resource, such as "devices"; one that is missing is a 404
	Files       map[string]string // by path below api/v0.2, such as "devices/q1/dictionary/"; JSON too
	Calls       map[string]string // answers of XML-RPC, by method and argument: "scheduler.device_types.get_template base"
	Pages       map[string]string // by device
	Counts      map[string]int    // of jobs, by device

	mu sync.Mutex
}

// Start serves the lab until the test ends, and returns its address.
func (l *Lab) Start(t testing.TB) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if r.Method != http.MethodGet && r.URL.Path != "/RPC2" {
			t.Errorf("%s %s: an import only reads", r.Method, r.URL)
		}
		l.answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// Change changes the lab while it serves.
func (l *Lab) Change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *Lab) answer(w http.ResponseWriter, r *http.Request) {
	if name, ok := strings.CutPrefix(r.URL.Path, "/scheduler/device/"); ok {
		if page, there := l.Pages[name]; there {
			fmt.Fprint(w, page)
			return
		}
		http.NotFound(w, r)
		return
	}
	if r.URL.Path == "/RPC2" {
		l.call(w, r)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/api/v0.2/")
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.Header.Get("Authorization") != "Token "+l.Token {
		fail(w, http.StatusForbidden, "Invalid token.")
		return
	}
	if path == "system/whoami/" {
		encode(w, Row{"user": l.User})
		return
	}
	if device := r.URL.Query().Get("actual_device__hostname"); path == "jobs/" && device != "" {
		encode(w, Row{"count": l.Counts[device], "results": []Row{}})
		return
	}
	if text, there := l.Files[path]; there && (r.URL.Query().Get("all") == "true" || !l.retired(path)) {
		fmt.Fprint(w, text)
		return
	}
	if rows, there := l.Lists[strings.TrimSuffix(path, "/")]; there {
		l.list(w, r, rows)
		return
	}
	fail(w, http.StatusNotFound, "Not found.")
}

// retired says that a path is below a device which LAVA hides from whoever does not ask for all.
func (l *Lab) retired(path string) bool {
	for _, row := range l.Lists["devices"] {
		if row["health"] == "Retired" && strings.HasPrefix(path, fmt.Sprintf("devices/%s/", row["hostname"])) {
			return true
		}
	}
	return false
}

// list answers one page, fifty rows where no number was asked for, as the framework of LAVA does.
func (l *Lab) list(w http.ResponseWriter, r *http.Request, rows []Row) {
	query := r.URL.Query()
	if strings.HasSuffix(r.URL.Path, "/devices/") && query.Get("all") != "true" && !strings.Contains(r.URL.Path, "permissions") {
		var shown []Row
		for _, row := range rows {
			if row["health"] != "Retired" {
				shown = append(shown, row)
			}
		}
		rows = shown
	}
	limit, offset := 50, 0
	if n, err := strconv.Atoi(query.Get("limit")); err == nil {
		limit = n
	}
	if n, err := strconv.Atoi(query.Get("offset")); err == nil {
		offset = min(n, len(rows))
	}
	encode(w, Row{"count": len(rows), "next": nil, "previous": nil, "results": rows[offset:min(len(rows), offset+limit)]})
}

var request = regexp.MustCompile(`<methodName>(.*?)</methodName>.*<string>(.*?)</string>`)

// call answers XML-RPC: a text as LAVA sends files, or its fault 404.
func (l *Lab) call(w http.ResponseWriter, r *http.Request) {
	user, token, _ := r.BasicAuth()
	body, err := io.ReadAll(r.Body)
	m := request.FindSubmatch(body)
	if err != nil || user != l.User || token != l.Token || m == nil {
		http.Error(w, "Invalid token", http.StatusUnauthorized)
		return
	}
	const head = "<?xml version='1.0'?>\n<methodResponse>\n"
	if text, there := l.Calls[string(m[1])+" "+string(m[2])]; there {
		fmt.Fprintf(w, "%s<params>\n<param>\n<value><base64>\n%s\n</base64></value>\n</param>\n</params>\n</methodResponse>\n", head,
			base64.StdEncoding.EncodeToString([]byte(text)))
		return
	}
	fmt.Fprintf(w, "%s<fault>\n<value><struct>\n<member>\n<name>faultCode</name>\n<value><int>404</int></value>\n</member>\n"+
		"<member>\n<name>faultString</name>\n<value><string>%s was not found.</string></value>\n</member>\n</struct></value>\n</fault>\n</methodResponse>\n", head, m[2])
}

func encode(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the caller may have gone
}

func fail(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encode(w, Row{"detail": detail})
}

// Page is the part of a device's page that people read: who has it, and its log, the newest change first.
func Page(owner string, log ...string) string {
	page := `<dt><abbr title="who">Physical access</abbr></dt>` + "\n<dd>\n\n" + owner + "\n\n</dd>\n<table>\n"
	for _, line := range log {
		page += "<tr class=\"odd\">\n<td >Nov.22, 10:40p.m.</td>\n<td >admin</td>\n<td >" + line + "</td>\n</tr>\n"
	}
	return page + "</table>\n"
}

// Board is a row of a device as LAVA gives it.
func Board(name, kind, worker, health string, more Row) Row {
	row := Row{"hostname": name, "device_type": kind, "device_version": nil, "physical_owner": nil, "physical_group": nil,
		"description": nil, "tags": []int{}, "state": "Idle", "health": health, "last_health_report_job": nil,
		"worker_host": worker, "is_synced": false}
	for k, v := range more {
		row[k] = v
	}
	return row
}

// Kind is a row of a device type as LAVA gives it.
func Kind(name string, more Row) Row {
	row := Row{"name": name, "architecture": nil, "processor": nil, "cpu_model": nil, "aliases": []string{}, "bits": nil,
		"cores": []int{}, "core_count": nil, "description": nil, "health_frequency": 24, "disable_health_check": false,
		"health_denominator": "hours", "display": true}
	for k, v := range more {
		row[k] = v
	}
	return row
}
