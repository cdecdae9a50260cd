package deploy

import (
	"strings"

	"strata/dispatcher/overlay"
	"strata/dispatcher/pipeline"
)

// Methods returns the deploy methods in the order in which they are asked.
func Methods() []pipeline.Method {
	return []pipeline.Method{
		{Name: "images", Accepts: images, Action: func(pipeline.Data) pipeline.Action { return &tmpfs{} }},
		{Name: "overlay", Accepts: plainOverlay, Action: func(pipeline.Data) pipeline.Action { return overlay.New() }},
	}
}

// images accepts `to: tmpfs`.
func images(device, block pipeline.Data) (string, error) {
	switch {
	case block.Get("to").Text() != "tmpfs":
		return `"to" parameter is not "tmpfs"`, nil
	case !device.Get("actions", "deploy", "methods").Has("image"):
		return `"image" is not in the device configuration deploy methods`, nil
	case !block.Has("images"):
		return `"images" is not in the deployment parameters`, nil
	}
	if kind := block.Get("type"); !kind.IsNull() && kind.Text() != "monitor" {
		return `"type" parameter is not "monitor"`, nil
	}
	return "", nil
}

// plainOverlay accepts `to: overlay`, for devices that fetch the overlay once they are up.
func plainOverlay(device, block pipeline.Data) (string, error) {
	switch {
	case block.Get("to").Text() != "overlay":
		return `"to" parameter is not "overlay"`, nil
	case !device.Get("actions", "deploy", "methods").Has("overlay"):
		return `"overlay" is not in the device configuration deploy methods`, nil
	}
	return "", nil
}

// pairs returns the entries of a mapping that is to hold one download each, or what is wrong.
func pairs(d pipeline.Data, where string) ([]pipeline.Pair, error) {
	if d.Kind() != pipeline.Mapping {
		return nil, pipeline.Blamef(pipeline.Job, "Invalid deploy action: '%s' is not a mapping of names to downloads", where)
	}
	for _, p := range d.Pairs() {
		if p.Value.Kind() != pipeline.Mapping && strings.TrimSpace(p.Key) != "lava" {
			return nil, pipeline.Blamef(pipeline.Job, "Invalid deploy action: '%s.%s' is not a mapping with a url", where, p.Key)
		}
	}
	return d.Pairs(), nil
}
