package download

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/pipeline"
	"strata/dispatcher/urlrule"
)

// Artefact is one file that a block asks for.
type Artefact struct {
	Key    string        // its label: "kernel", "rootfs"
	Params pipeline.Data // url, compression, checksums, image_arg, headers, archive, overlays …
	Dir    string        // where downloads of the block go
	Shared bool          // the file lies in Dir itself, not in Dir/Key
	Served bool          // the worker's TFTP server shows it to the device

	// Then adds what follows the download within download-retry; nil adds nothing.
	Then func(step *pipeline.Step, s *pipeline.Session, a Artefact) error
}

// Retry returns the action download-retry for an artefact. It fails while planning where there is
// no URL, or one of an unknown scheme.
func Retry(a Artefact) pipeline.Action {
	return pipeline.Retry{Basic: pipeline.Basic{Title: "download-retry", About: "download with retry",
		Fill: func(step *pipeline.Step, s *pipeline.Session) error {
			// The scheme is looked at while planning, since the plan shows which action it is.
			action, err := a.action(s)
			if err != nil {
				return err
			}
			if err := step.Add(action); err != nil {
				return err
			}
			if a.Then == nil {
				return nil
			}
			return a.Then(step, s, a)
		}}}
}

// action returns the action for the scheme of the artefact's URL.
func (a Artefact) action(s *pipeline.Session) (pipeline.Action, error) {
	text := a.Params.Get("url").Text()
	if text == "" {
		return nil, pipeline.Blamef(pipeline.Job, "Invalid deploy action: 'url' is missing for '%s'", a.Key)
	}
	text = fillIn(text, s.Device)
	u, err := url.Parse(text)
	if err != nil {
		return nil, pipeline.Blamef(pipeline.Job, "Invalid deploy action: 'url' of '%s': %w", a.Key, err)
	}
	f := fetch{artefact: a, url: shown(text, u), host: u.Host, path: u.Path}
	var allowed []string
	for _, scheme := range schemes() {
		if slices.Contains(scheme.names, u.Scheme) {
			action := scheme.action(f)
			if instead, ok := kept(s, f, action); ok {
				return instead, nil
			}
			return action, nil
		}
		allowed = append(allowed, scheme.names...)
	}
	return nil, pipeline.Blamef(pipeline.Job, "Unsupported url protocol scheme: %s ('url' of '%s' is '%s', allowed schemes are %s)",
		u.Scheme, a.Key, u.Redacted(), strings.Join(allowed, ", "))
}

// shown returns a URL as plans and logs show it: without an empty host, query or fragment, as LAVA
// prints what it has taken apart.
func shown(text string, u *url.URL) string {
	scheme, rest, _ := strings.Cut(text, ":")
	if u.Host == "" && u.Scheme != "file" && u.Scheme != "http" && u.Scheme != "https" {
		rest = strings.TrimPrefix(rest, "//")
	}
	return strings.ToLower(scheme) + ":" + strings.TrimRight(rest, "?#")
}

// scheme is one way to get a file. A new one is a file with an action that embeds fetch, and a row
// here.
type scheme struct {
	names  []string
	action func(fetch) pipeline.Action
}

func schemes() []scheme {
	return []scheme{
		{[]string{"http", "https"}, newHTTP},
		{[]string{"file"}, newFile},
		{[]string{"scp"}, newSCP},
		{[]string{"rclone"}, newRclone},
		{[]string{"downloads"}, newPreDownloaded},
	}
}

// fillIn replaces {KEY} in a URL by the value that the device's static_info has for KEY.
func fillIn(url string, device pipeline.Data) string {
	for _, info := range device.Get("static_info").Items() {
		for _, p := range info.Pairs() {
			url = strings.ReplaceAll(url, "{"+p.Key+"}", p.Value.Text())
		}
	}
	return url
}

// fetch is what all schemes have in common.
type fetch struct {
	artefact Artefact
	url      string
	host     string // of the URL
	path     string
}

// URL returns where the file comes from.
func (f fetch) URL() string { return f.url }

// TimeoutClass blames the lab for a download that takes too long.
func (f fetch) TimeoutClass() pipeline.Class { return pipeline.Infrastructure }

// compression returns what is undone while downloading. A ramdisk stays as it is, because the
// device boots it so, and nobody unpacks a zip.
func (f fetch) compression() archive.Compression {
	kind := archive.Compression(f.artefact.Params.Get("compression").Text())
	if f.artefact.Key == "ramdisk" || kind == archive.Zip {
		return archive.None
	}
	return kind
}

// file returns where the file will lie. Decompressing takes the last suffix off its name.
func (f fetch) file() string {
	name := path.Base(f.path)
	if f.compression() != archive.None {
		if i := strings.LastIndex(name, "."); i > 0 {
			name = name[:i]
		}
	}
	return filepath.Join(f.dir(), name)
}

func (f fetch) dir() string {
	if f.artefact.Shared {
		return f.artefact.Dir
	}
	return filepath.Join(f.artefact.Dir, f.artefact.Key)
}

// check records what is wrong with the artefact's parameters.
func (f fetch) check(s *pipeline.Session) {
	rules, err := urlrule.Read(s.Dispatcher)
	if err == nil {
		err = rules.Check(f.url)
	}
	if err != nil {
		s.Invalid("%s", err)
	}
	if key := f.artefact.Key; key == "" || key == "." || key == ".." || strings.Contains(key, "/") {
		s.Invalid("Invalid key '%s'", key)
	}
	switch kind := f.artefact.Params.Get("compression"); archive.Compression(kind.Text()) {
	case archive.None, archive.Gzip, archive.Bzip2, archive.XZ, archive.Zstd, archive.Zip:
	default:
		s.Invalid("Unknown 'compression' format '%s'", kind.Text())
	}
	if kind := f.artefact.Params.Get("archive"); !kind.IsNull() && kind.Text() != "tar" {
		s.Invalid("Unknown 'archive' format '%s'", kind.Text())
	}
	if base := path.Base(f.path); strings.HasSuffix(f.path, "/") || base == "." || base == "/" || base == ".." {
		s.Invalid("Cannot download a directory for %s", f.artefact.Key)
	}
}

// allowed says why the worker's rules do not let a program that connects by itself fetch the file.
func (f fetch) allowed(ctx context.Context, s *pipeline.Session) error {
	rules, err := urlrule.Read(s.Dispatcher)
	if err == nil {
		_, err = rules.CheckHost(ctx, f.url)
		err = pipeline.Blame(pipeline.Job, err)
	}
	return err
}

// deliver tells later actions where the file is. A tar is unpacked first, and its directory is
// what they get.
func (f fetch) deliver(s *pipeline.Session) error {
	file := f.file()
	if f.artefact.Params.Get("archive").Text() == "tar" {
		dir := filepath.Join(filepath.Dir(file), f.artefact.Key)
		if err := untar(dir, file); err != nil {
			return BlameContent(fmt.Errorf("unpack '%s': %w", f.url, err))
		}
		file = dir
	}
	return f.hand(s, file)
}

// hand gives a file to later actions.
func (f fetch) hand(s *pipeline.Session, file string) error {
	pipeline.Put(s, pipeline.Artefact(f.artefact.Key), file)
	seen := file // by the device
	if f.artefact.Served {
		var err error
		if seen, err = s.TFTPPath(file); err != nil {
			return err
		}
	}
	pipeline.Put(s, pipeline.Served(f.artefact.Key), seen)
	if arg := f.artefact.Params.Get("image_arg"); !arg.IsNull() {
		addImage(s, pipeline.Image{Label: f.artefact.Key, Path: file, Arg: arg.Text()})
	}
	return nil
}

func untar(dir, file string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return archive.Untar(dir, in, 0)
}

// addImage adds an image, or replaces the one of an earlier attempt.
func addImage(s *pipeline.Session, image pipeline.Image) {
	images, _ := pipeline.Get(s, pipeline.Images)
	// Others hold the old slice.
	images = slices.Clone(images)
	if i := slices.IndexFunc(images, func(other pipeline.Image) bool { return other.Label == image.Label }); i >= 0 {
		images[i] = image
	} else {
		images = append(images, image)
	}
	pipeline.Put(s, pipeline.Images, images)
}

// Cleanup removes the file, so that a new attempt downloads it again.
func (f fetch) Cleanup(context.Context, *pipeline.Session) error {
	for _, name := range []string{f.file(), f.file() + partial} {
		if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}
