package worker

import (
	"fmt"
	"slices"
	"strings"

	"strata/schemas/yaml"
)

// passed are the variables of a worker's own environment that commands of jobs get: where programs,
// certificates, proxies and the container engine are, who they run as, and their language. A name that
// ends in * stands for all that begin so. Everything else, such as a credential that the service
// manager gave the worker, is not theirs.
func passed() []string {
	return []string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TZ", "LANG", "LANGUAGE", "LC_*", "TMPDIR", "XDG_RUNTIME_DIR",
		"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO",
		"DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "CONTAINER_HOST", "CONTAINERS_*"}
}

// harmless returns those of the variables that jobs may see.
func harmless(env []string) (out []string) {
	for _, entry := range env {
		name, _, _ := strings.Cut(entry, "=")
		if slices.ContainsFunc(passed(), func(p string) bool {
			prefix, many := strings.CutSuffix(p, "*")
			return name == p || many && strings.HasPrefix(name, prefix)
		}) {
			out = append(out, entry)
		}
	}
	return out
}

// processEnv returns the environment of a job's process, and so of the commands that a device
// dictionary names, as env.yaml shapes it. It begins with what is harmless of the worker's own
// environment, with nothing for `purge: true`, and with all of it for `purge: false`, which is what LAVA
// does when nothing is said; then the names under `removes` are dropped, those under `overrides` set.
// The settings of strata itself, among them the worker's token, are never passed on.
func processEnv(text string, own []string) ([]string, error) {
	own = slices.DeleteFunc(slices.Clone(own), func(entry string) bool { return strings.HasPrefix(entry, "STRATA_") })
	env := harmless(own)
	if strings.TrimSpace(text) == "" {
		return env, nil
	}
	doc, err := yaml.Parse([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("read env.yaml: %w", err)
	}
	if !doc.Empty() && doc.Kind != yaml.Map {
		return nil, fmt.Errorf("read env.yaml: is a %s, want a mapping with purge, removes and overrides", doc.Kind)
	}
	if purge, said := doc.Get("purge").AsBool(); purge {
		env = nil
	} else if said {
		env = own
	}
	if removes := doc.Get("removes"); !removes.Empty() {
		for _, item := range removes.Items {
			name, ok := item.AsText()
			if !ok {
				return nil, fmt.Errorf("read env.yaml: removes, line %d: want a name", item.Line)
			}
			env = unset(env, name)
		}
	}
	if overrides := doc.Get("overrides"); !overrides.Empty() {
		for _, p := range overrides.Pairs {
			name := p.Key.Text
			if name == "" || strings.ContainsAny(name, "=\x00") {
				return nil, fmt.Errorf("read env.yaml: overrides, line %d: %q cannot be the name of a variable", p.Key.Line, name)
			}
			// Scalars of any type stand as they were written: `DEBUG: 010` is "010".
			switch p.Value.Kind {
			case yaml.Map, yaml.List, yaml.Set:
				return nil, fmt.Errorf("read env.yaml: overrides, line %d: %s is a %s, want a text", p.Value.Line, name, p.Value.Kind)
			}
			env = append(unset(env, name), name+"="+p.Value.Text)
		}
	}
	return env, nil
}

// unset drops a variable. It changes env's array, so callers pass a copy.
func unset(env []string, name string) []string {
	return slices.DeleteFunc(env, func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
}
