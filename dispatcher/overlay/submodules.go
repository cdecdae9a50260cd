package overlay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"strata/dispatcher/pipeline"
	"strata/dispatcher/urlrule"
)

// hold checks a repository's URL against the worker's rules and returns the options that keep git
// from going elsewhere: it connects by itself, so the addresses that were looked up and found allowed
// are the ones it gets, and a redirect is not followed.
func hold(ctx context.Context, rules urlrule.Rules, repository string) ([]string, error) {
	addrs, err := rules.CheckHost(ctx, repository)
	if err != nil {
		return nil, pipeline.Blame(pipeline.Job, err)
	}
	if rules.None() {
		return nil, nil
	}
	options := []string{"-c", "http.followRedirects=false"}
	if u, err := url.Parse(repository); err == nil && len(addrs) > 0 && (u.Scheme == "http" || u.Scheme == "https") {
		options = append(options, "-c", "http.curloptResolve="+pin(u, addrs))
	}
	return options, nil
}

// pin writes the addresses of a URL's host as curl wants them: host:port:address,address.
func pin(u *url.URL, addrs []netip.Addr) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	var texts []string
	for _, addr := range addrs {
		text := addr.Unmap().WithZone("").String()
		if addr.Unmap().Is6() {
			text = "[" + text + "]"
		}
		texts = append(texts, text)
	}
	return u.Hostname() + ":" + port + ":" + strings.Join(texts, ",")
}

// maxSubmodules is how deep submodules may lie in submodules.
const maxSubmodules = 10

// submodules fetches the submodules of the clone in dir one by one, each checked against the worker's
// rules first. Where there are no rules git does that by itself.
func (c *clone) submodules(ctx context.Context, dir string, depth int) error {
	if _, err := os.Lstat(filepath.Join(dir, ".gitmodules")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if depth++; depth > maxSubmodules {
		return fmt.Errorf("submodules lie more than %d deep", maxSubmodules)
	}
	paths, err := c.git(ctx, "config", "--file", filepath.Join(dir, ".gitmodules"), "--get-regexp", `^submodule\..*\.path$`)
	if err != nil {
		return err
	}
	// init writes down the URLs, those that are relative to the parent's as whole ones.
	if _, err := c.git(ctx, "-C", dir, "submodule", "init"); err != nil {
		return err
	}
	for line := range strings.Lines(paths) {
		key, path, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		name := strings.TrimSuffix(key, ".path")
		repository, err := c.git(ctx, "-C", dir, "config", "--get", name+".url")
		if err != nil {
			return err
		}
		held, err := hold(ctx, c.rules, strings.TrimRight(repository, "\n"))
		if err != nil {
			return err
		}
		args := append(held, "-C", dir, "submodule", "update", "--", path)
		if _, err := c.git(ctx, args...); err != nil {
			return err
		}
		if !filepath.IsLocal(path) {
			return fmt.Errorf("submodule %s lies outside of the repository", path)
		}
		if err := c.submodules(ctx, filepath.Join(dir, path), depth); err != nil {
			return err
		}
	}
	return nil
}
