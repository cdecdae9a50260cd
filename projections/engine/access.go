package engine

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
)

// Access says what visitors may read: those whose statements come with role=[Viewer]. They may read
// views of some databases and nothing else: no table beneath, no file, no address of the network. A view
// that is made with DEFINER = [Definer] reads in the name of that user, of whose rows the policies speak.
//
// A policy is ClickHouse's own row policy: it is applied while rows are read, before any expression of
// the statement sees them, so a row that is filtered out cannot even raise an error.
type Access struct {
	Databases []string // whose views visitors may read
	Rows      []Policy
}

// Policy is a condition that rows of a table must meet where a view of [Definer] reads them.
type Policy struct{ Database, Table, Filter string }

// Viewer is the role of visitors, Definer the user in whose name views are read.
const (
	Viewer  = "strata_viewer"
	Definer = "strata_views"
)

// owner is the role of everybody else who reaches the engine: the lab's own services.
const owner = "strata_owner"

// users is ClickHouse's users.xml, as far as the engine needs it (src/Access/UsersConfigAccessStorage.cpp).
type users struct {
	XMLName  xml.Name `xml:"clickhouse"`
	Profiles string   `xml:"profiles>default"`
	Quotas   string   `xml:"quotas>default"`
	Default  user     `xml:"users>default"`
	Definer  user     `xml:"users>strata_views"`
	Owner    []string `xml:"roles>strata_owner>grants>query"`
	Viewer   []string `xml:"roles>strata_viewer>grants>query"`
}

type user struct {
	Password  string     `xml:"password"`
	Networks  string     `xml:"networks>ip"`
	Profile   string     `xml:"profile"`
	Quota     string     `xml:"quota"`
	Grants    []string   `xml:"grants>query"`
	Databases []database `xml:"databases>database"`
}

type database struct {
	Name   string  `xml:"name,attr"`
	Tables []table `xml:"table"`
}

type table struct {
	Name   string `xml:"name,attr"`
	Filter string `xml:"filter"`
}

// write puts the engine's configuration into its data directory and returns the file that
// --config-file takes. The front answers on loopback only, so users have no passwords.
func (a Access) write(dir string) (file string, err error) {
	one := user{Networks: "::/0", Profile: "default", Quota: "default"}
	u := users{Default: one, Definer: one, Owner: []string{"GRANT ALL ON *.*"}}
	u.Default.Grants = []string{"GRANT " + owner, "GRANT " + Viewer}
	u.Definer.Grants = []string{"GRANT SELECT ON *.*"}
	for _, name := range a.Databases {
		u.Viewer = append(u.Viewer, "GRANT SELECT ON "+quoteName(name)+".*")
	}
	for _, p := range a.Rows {
		last := len(u.Definer.Databases) - 1
		if last < 0 || u.Definer.Databases[last].Name != p.Database {
			u.Definer.Databases = append(u.Definer.Databases, database{Name: p.Database})
			last++
		}
		d := &u.Definer.Databases[last]
		d.Tables = append(d.Tables, table{p.Table, p.Filter})
	}
	if len(u.Viewer) == 0 { // a role without grants is taken for one without limits in some releases
		u.Viewer = []string{"GRANT SELECT ON system.one"}
	}
	path := filepath.Join(dir, "strata-users.xml")
	if err := writeXML(path, u); err != nil {
		return "", err
	}
	file = filepath.Join(dir, "strata-engine.xml")
	return file, writeXML(file, struct {
		XMLName xml.Name `xml:"clickhouse"`
		Users   string   `xml:"users_config"`
	}{Users: path})
}

func writeXML(path string, v any) error {
	var text bytes.Buffer
	err := xml.NewEncoder(&text).Encode(v)
	if err == nil {
		err = os.WriteFile(path, text.Bytes(), 0o600)
	}
	if err != nil {
		return fmt.Errorf("configure the engine: %w", err)
	}
	return nil
}
