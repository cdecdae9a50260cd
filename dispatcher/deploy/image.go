package deploy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"strata/dispatcher/deploy/archive"
	"strata/dispatcher/pipeline"
)

// applyImage returns apply-overlay-image: it unpacks the overlay into a file system image, or into
// a partition of a disk image (root_partition, counted from 0).
func applyImage(key string, partitioned bool) pipeline.Action {
	return pipeline.Basic{Title: "apply-overlay-image", About: "put the overlay into an image", Late: pipeline.Infrastructure,
		Do: func(ctx context.Context, s *pipeline.Session) error {
			layout := imageLayout{}
			if partitioned {
				layout.partition = partitionOf(s, key)
			}
			return applyTo(ctx, s, key, layout)
		}}
}

// applySparse returns apply-overlay-sparse-image, for images as fastboot writes them.
func applySparse(key string) pipeline.Action {
	return pipeline.Basic{Title: "apply-overlay-sparse-image", About: "put the overlay into a sparse image", Late: pipeline.Infrastructure,
		Broken: pipeline.Infrastructure,
		Do: func(ctx context.Context, s *pipeline.Session) error {
			return applyTo(ctx, s, key, imageLayout{sparse: true})
		}}
}

// imageLayout says what an image is.
type imageLayout struct {
	partition   *int // index of the partition; nil for an image that is the file system
	sparse      bool // in Android's sparse format
	maybeSparse bool // perhaps
}

// partitionOf returns the image's root_partition, wherever the block has the image.
func partitionOf(s *pipeline.Session, key string) *int {
	for _, at := range []pipeline.Data{s.Block().Get("images", key), s.Block().Get(key)} {
		if at.Has("root_partition") {
			n := at.Get("root_partition").Int(0)
			return &n
		}
	}
	return nil
}

func applyTo(ctx context.Context, s *pipeline.Session, key string, layout imageLayout) error {
	if done, _ := pipeline.Get(s, applied); done {
		s.Log.Debug("The overlay was appended to an image already")
		return nil
	}
	overlay, ok := pipeline.Get(s, pipeline.OverlayFile)
	if !ok {
		s.Log.Debug("No overlay to deploy")
		return nil
	}
	image, ok := pipeline.Get(s, pipeline.Artefact(key))
	if !ok {
		return pipeline.Blamef(pipeline.Bug, "no file was downloaded for '%s'", key)
	}
	s.Log.Debug("Applying overlay %s to %s", overlay, image)
	return inject(ctx, s, image, layout, overlay)
}

// inject unpacks one overlay at the root of an image's file system.
func inject(ctx context.Context, s *pipeline.Session, image string, layout imageLayout, overlay string) error {
	in, err := os.Open(overlay)
	if err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	defer in.Close()
	return injectLayers(ctx, s, image, layout, []archive.Layer{{Root: "/", Tar: in}})
}

// injectLayers unpacks tars into the file system of an image, by debugfs of e2fsprogs: nothing is
// mounted and nobody needs root, and owners and modes are those of the tars.
func injectLayers(ctx context.Context, s *pipeline.Session, image string, layout imageLayout, layers []archive.Layer) error {
	dir, err := s.Dir()
	if err != nil {
		return err
	}
	raw := image
	sparse := layout.sparse
	// fastboot writes sparse images only, so one that is not is the wrong file.
	if layout.sparse || layout.maybeSparse {
		is, err := archive.IsSparse(image)
		if err != nil {
			return pipeline.Blame(pipeline.Infrastructure, err)
		}
		if layout.sparse && !is {
			return pipeline.Blamef(pipeline.Infrastructure, "%s is no Android sparse image", filepath.Base(image))
		}
		sparse = is
	}
	if sparse {
		raw = filepath.Join(dir, filepath.Base(image)+".non-sparse")
		if err := archive.FromSparse(raw, image); err != nil {
			return pipeline.Blame(classOfContent(err), err)
		}
	}
	device := raw
	if layout.partition != nil {
		offset, err := archive.PartitionOffset(raw, *layout.partition)
		if err != nil {
			return pipeline.Blame(classOfContent(err), err)
		}
		device = archive.At(raw, offset)
	}
	if err := writeInto(ctx, s, device, dir, layers); err != nil {
		return err
	}
	if !sparse {
		return nil
	}
	if err := archive.ToSparse(image, raw); err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	return pipeline.Blame(pipeline.Infrastructure, os.Remove(raw))
}

// writeInto writes the layers with debugfs.
func writeInto(ctx context.Context, s *pipeline.Session, device, dir string, layers []archive.Layer) error {
	w, err := archive.Inject(filepath.Join(dir, "layers"), layers...)
	if err != nil {
		return pipeline.Blame(classOfContent(err), err)
	}
	run := func(script string, flags ...string) (string, error) {
		file := filepath.Join(dir, "debugfs.txt")
		if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
			return "", err
		}
		cmd := exec.CommandContext(ctx, e2fs("debugfs"), append(flags, "-f", file, device)...)
		cmd.Env = s.Env()
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
		}
		return string(out), err
	}
	s.Log.Debug("Writing into %s with debugfs", device)
	out, err := run(w.Probe())
	if err == nil {
		out, err = run(w.Script(out), "-w")
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return pipeline.Blamef(pipeline.Infrastructure, "Unable to write into %s: debugfs: %w", filepath.Base(device), err)
	}
	// It ends with 0 whatever happens to its commands, and says so in the output only.
	if problem := archive.DebugFSProblem(out); problem != "" {
		return pipeline.Blamef(pipeline.Infrastructure, "Unable to write into %s: %s", filepath.Base(device), problem)
	}
	return nil
}

// classOfContent blames the job for content that is not what it should be.
func classOfContent(err error) pipeline.Class {
	if errors.Is(err, archive.ErrFormat) {
		return pipeline.Job
	}
	return pipeline.Infrastructure
}
