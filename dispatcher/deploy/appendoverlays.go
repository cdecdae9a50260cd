package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/deploy/download"
	"strata/dispatcher/overlay"
	"strata/dispatcher/pipeline"
)

// applied says that the test overlay is in an image already, so that nobody applies it once more.
const applied pipeline.Key[bool] = "append-overlays/result/applied"

// overlays adds to an artefact's download-retry what its `overlays` ask for.
func overlays(step *pipeline.Step, s *pipeline.Session, a download.Artefact) error {
	if !a.Params.Has("overlays") {
		return nil
	}
	wanted, err := pairs(a.Params.Get("overlays"), a.Key+".overlays")
	if err != nil {
		return err
	}
	for _, p := range wanted {
		if p.Key == "lava" {
			continue
		}
		if err := step.Add(download.Retry(download.Artefact{Key: a.Key + "." + p.Key, Params: p.Value, Dir: a.Dir})); err != nil {
			return err
		}
	}
	// Without a test that needs it nobody has made the overlay that this image asks for.
	if a.Params.Get("overlays", "lava").True() && !s.TestInfo().NeedsOverlay {
		if err := step.Add(overlay.NewAlways()); err != nil {
			return err
		}
	}
	return step.Add(appendOverlays{a, wanted})
}

// appendOverlays is append-overlays: it adds files to an image before anything boots it.
type appendOverlays struct {
	artefact download.Artefact
	wanted   []pipeline.Pair
}

// Name returns append-overlays.
func (appendOverlays) Name() string { return "append-overlays" }

// Description says what the action does.
func (appendOverlays) Description() string { return "append overlays to an image" }

// formats are the images that can be added to.
func formats() []string { return []string{"cpio.newc", "ext4", "tar"} }

// Validate checks formats and paths.
func (a appendOverlays) Validate(_ context.Context, s *pipeline.Session) error {
	if format := a.artefact.Params.Get("format"); !slices.Contains(formats(), format.Text()) {
		s.Invalid("Cannot append overlays to '%s': format %s is not one of %s", a.artefact.Key, format.Python(),
			pipeline.ReprList(formats()))
	}
	// There is one way to write into a file system here; LAVA's other names for theirs mean it too.
	if backend := a.backend(s); !slices.Contains([]string{"auto", "e2fsprogs", "guestfs"}, backend) {
		s.Invalid("Unknown overlay_backend '%s': use auto, e2fsprogs or guestfs", backend)
	}
	for _, p := range a.wanted {
		if p.Key == "lava" {
			continue
		}
		if format := p.Value.Get("format").Text(); format != "file" && format != "tar" {
			s.Invalid("Invalid format %q of overlay %s: use file or tar", format, p.Key)
		}
		if where := p.Value.Get("path").Text(); !path.IsAbs(where) || slices.Contains(strings.Split(where, "/"), "..") {
			s.Invalid("Invalid path %q of overlay %s: it must be absolute, without ..", where, p.Key)
		}
	}
	return nil
}

// backend returns what the artefact or its block asks for.
func (a appendOverlays) backend(s *pipeline.Session) string {
	return a.artefact.Params.Get("overlay_backend").TextOr(s.Block().Get("overlay_backend").TextOr("auto"))
}

// Run rewrites the image with the overlays in it. The image keeps its name; an error leaves it as
// it was, unless it is a file system.
func (a appendOverlays) Run(ctx context.Context, s *pipeline.Session) error {
	image, ok := pipeline.Get(s, pipeline.Artefact(a.artefact.Key))
	if !ok {
		return pipeline.Blamef(pipeline.Bug, "no file was downloaded for '%s'", a.artefact.Key)
	}
	layers, done, err := a.layers(s)
	defer done()
	if err != nil {
		return err
	}
	s.Log.Debug("Modifying %s", image)
	params := a.artefact.Params
	if params.Get("format").Text() == "ext4" {
		layout := imageLayout{sparse: params.Get("sparse").Bool(false)}
		if part := params.Get("partition"); !part.IsNull() {
			n := part.Int(-1)
			layout.partition = &n
		}
		err = injectLayers(ctx, s, image, layout, layers)
	} else {
		err = rewrite(image, params.Get("format").Text(), layers)
	}
	if err != nil {
		var fault *pipeline.Fault
		if ctx.Err() != nil || errors.As(err, &fault) {
			return err
		}
		err = fmt.Errorf("Unable to append overlays to '%s': %w", a.artefact.Key, err)
		if errors.Is(err, archive.ErrFormat) {
			return pipeline.Blame(pipeline.Job, err)
		}
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	// apply-overlay-guest has nothing to do then.
	if a.artefact.Params.Get("overlays", "lava").True() {
		pipeline.Put(s, applied, true)
	}
	return nil
}

// layers opens what is to be added; done closes it.
func (a appendOverlays) layers(s *pipeline.Session) (layers []archive.Layer, done func(), err error) {
	var files []*os.File
	done = func() {
		for _, f := range files {
			f.Close()
		}
	}
	open := func(file string) (*os.File, error) {
		f, err := os.Open(file)
		if err != nil {
			return nil, pipeline.Blamef(pipeline.Infrastructure, "append overlays to '%s': %w", a.artefact.Key, err)
		}
		files = append(files, f)
		return f, nil
	}
	for _, p := range a.wanted {
		root, key, kind := p.Value.Get("path").Text(), pipeline.Artefact(a.artefact.Key+"."+p.Key), p.Value.Get("format").Text()
		if p.Key == "lava" {
			if !p.Value.True() {
				continue
			}
			root, key, kind = "/", pipeline.OverlayFile, "tar"
		}
		file, ok := pipeline.Get(s, key)
		if !ok {
			return nil, done, pipeline.Blamef(pipeline.Bug, "the overlay '%s' of '%s' is not there", p.Key, a.artefact.Key)
		}
		s.Log.Debug("Adding %s at %s", file, root)
		f, err := open(file)
		if err != nil {
			return nil, done, err
		}
		if kind == "tar" {
			layers = append(layers, archive.Layer{Root: root, Tar: f})
			continue
		}
		single, err := oneFile(root, f)
		if err != nil {
			return nil, done, pipeline.Blamef(pipeline.Infrastructure, "read %s: %w", file, err)
		}
		layers = append(layers, archive.Layer{Root: "/", Tar: single})
	}
	return layers, done, nil
}

// oneFile makes a tar of a file that is to lie at a path.
func oneFile(where string, f *os.File) (io.Reader, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := archive.OneFile(&b, where, f, info.Size()); err != nil {
		return nil, err
	}
	return &b, nil
}

// rewrite replaces an image by one with the layers.
func rewrite(image, format string, layers []archive.Layer) (err error) {
	in, err := os.Open(image)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(image + ".new")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// What counts is the error at hand; the job's directory is removed in the end.
			_ = os.Remove(out.Name())
		}
	}()
	if format == "tar" {
		err = archive.AppendToTar(out, in, layers...)
	} else {
		_, err = archive.AppendToRamdisk(out, in, layers...)
	}
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(out.Name(), image)
}
