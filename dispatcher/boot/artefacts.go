package boot

import (
	"strings"

	"strata/dispatcher/pipeline"
	"strata/schemas/python"
)

// downloads returns what a deploy block of the namespace downloaded, in the order of the job: the
// images of a mapping, and single artefacts such as a kernel.
func downloads(s *pipeline.Session) []pipeline.Image {
	var out []pipeline.Image
	for _, entry := range s.Job.Get("actions").Items() {
		block, ok := entry.Lookup("deploy")
		if !ok || block.Get("namespace").TextOr("common") != s.Namespace() {
			continue
		}
		pairs := block.Pairs()
		if images := block.Get("images"); images.Kind() == pipeline.Mapping {
			pairs = images.Pairs()
		}
		for _, p := range pairs {
			file, ok := pipeline.Get(s, pipeline.Artefact(p.Key))
			if !ok {
				continue
			}
			out = with(out, pipeline.Image{Label: p.Key, Path: file, Arg: p.Value.Get("image_arg").Text()})
		}
	}
	return out
}

// with adds an image, or puts a later one of the same label in its place.
func with(images []pipeline.Image, image pipeline.Image) []pipeline.Image {
	for i := range images {
		if images[i].Label == image.Label {
			images[i] = image
			return images
		}
	}
	return append(images, image)
}

// named replaces {label} by the file of each download: in the label's own letters, or in upper case.
func named(text string, images []pipeline.Image, upper bool) string {
	for _, image := range images {
		label := image.Label
		if upper {
			label = strings.ToUpper(label)
		}
		text = strings.ReplaceAll(text, "{"+label+"}", image.Path)
	}
	return text
}

// needsBoardID records that the dictionary names no board.
func needsBoardID(s *pipeline.Session) {
	if strings.Trim(s.Device.Get("board_id").Text(), "0") == "" {
		s.Invalid("[%s] board_id unset", strings.ToUpper(s.Step.Name()))
	}
}

// words splits the options of a dictionary: each text of a list may hold several.
func words(d pipeline.Data) ([]string, error) {
	var out []string
	for _, text := range d.Texts() {
		parts, err := pipeline.Words(text)
		if err != nil {
			return nil, pipeline.Blamef(pipeline.Configuration, "option %s: %w", python.Quote(text), err)
		}
		out = append(out, parts...)
	}
	return out, nil
}

// deployBlock returns the last deploy block of the namespace that is `to` a method, null for none.
func deployBlock(s *pipeline.Session, to string) pipeline.Data {
	var found pipeline.Data
	for _, entry := range s.Job.Get("actions").Items() {
		block := entry.Get("deploy")
		if block.Get("to").Text() == to && block.Get("namespace").TextOr("common") == s.Namespace() {
			found = block
		}
	}
	return found
}
