package grafana

import (
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed datasource.yaml dashboards.yaml
var provisioning embed.FS

// Files returns what a Grafana needs to have the dashboards, by path: the provisioning of a data source that
// asks host:port, of the folder of dashboards, whose place on Grafana's machine is dir, and the dashboards.
func Files(host, port, dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for name, changes := range map[string][]string{
		"datasource.yaml": {"host: localhost", "host: " + quote(host), "port: 8123", "port: " + port},
		"dashboards.yaml": {"path: /var/lib/grafana/dashboards/strata", "path: " + quote(dir)},
	} {
		text, err := provisioning.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		files[name] = []byte(strings.NewReplacer(changes...).Replace(string(text)))
	}
	for _, d := range Dashboards() {
		text, err := d.JSON()
		if err != nil {
			return nil, err
		}
		files[path.Join("dashboards", d.File())] = text
	}
	return files, nil
}

// quote writes a text as YAML, in which a quote is doubled. Grafana puts variables of its environment in place of
// $NAME, and $ for $$.
func quote(s string) string {
	return "'" + strings.NewReplacer("'", "''", "$", "$$").Replace(s) + "'"
}
