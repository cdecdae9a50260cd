package overlay

import (
	"fmt"
	"strings"

	"strata/dispatcher/pipeline"
)

// Variable is one line of the environment file.
type Variable struct {
	Name  string
	Value string // as the shell reads it: already quoted
}

// Line returns the variable as the environment file has it.
func (v Variable) Line() string { return "export " + v.Name + "=" + v.Value }

// Group is a run of variables from one place, under the title that the job's log gives them.
type Group struct {
	Title     string
	Variables []Variable
}

// Facts is what a device is told about its job, beside what its dictionary and the job's
// environment say.
type Facts struct {
	Job          string   // its number
	DispatcherIP string   // where the device reaches its worker; empty where nobody knows
	Tags         []string // of the job
	Prefix       string   // of the worker's scratch directories
	HTTPCache    string   // format of the cache's URL; empty where there is none
}

// Environment returns the variables of the environment file: the device's, what its dictionary says
// of it, the job's, and facts. Later ones win, being exported later.
func Environment(device, job pipeline.Data, facts Facts) []Group {
	var groups []Group
	add := func(title string, vars []Variable) {
		if len(vars) > 0 {
			groups = append(groups, Group{title, vars})
		}
	}
	add("environment", flatten("", device.Get("environment")))
	for _, key := range []string{"device_info", "static_info", "storage_info"} {
		if d := device.Get(key); !d.IsNull() {
			add(key, flatten("LAVA_"+strings.ToUpper(key), d))
		}
	}
	// In a multinode job each role has an environment of its own.
	env := job.Get("protocols", "lava-multinode", "environment")
	if env.IsNull() {
		env = job.Get("environment")
	}
	add("job environment", flatten("", env))

	meta := []Variable{
		{"LAVA_JOB_ID", Quote(facts.Job)},
		{"LAVA_DISPATCHER_IP", Quote(facts.DispatcherIP)},
		{"LAVA_JOB_TAGS", Quote(strings.Join(facts.Tags, ","))},
		{"LAVA_DISPATCHER_PREFIX", Quote(facts.Prefix)},
	}
	if name := device.Get("hostname").Text(); name != "" {
		meta = append(meta, Variable{"LAVA_DEVICE_HOSTNAME", Quote(name)})
	}
	if kind := device.Get("devicetype").Text(); kind != "" {
		meta = append(meta, Variable{"LAVA_DEVICE_TYPE", Quote(kind)})
	}
	if facts.HTTPCache != "" {
		meta = append(meta, Variable{"HTTP_CACHE", Quote(facts.HTTPCache)})
	}
	return append(groups, Group{"LAVA metadata", meta})
}

// flatten gives every scalar below d a name made of the prefix and the keys and list indexes that
// lead to it.
func flatten(prefix string, d pipeline.Data) []Variable {
	join := func(part string) string {
		if prefix == "" {
			return part
		}
		return prefix + "_" + part
	}
	var out []Variable
	switch d.Kind() {
	case pipeline.Mapping:
		for _, p := range d.Pairs() {
			out = append(out, flatten(join(p.Key), p.Value)...)
		}
	case pipeline.List:
		for i, item := range d.Items() {
			out = append(out, flatten(join(fmt.Sprint(i)), item)...)
		}
	default:
		if prefix != "" { // else a scalar stands where a mapping should be
			out = append(out, Variable{prefix, scalar(d)})
		}
	}
	return out
}

func scalar(d pipeline.Data) string {
	switch d.Kind() {
	case pipeline.Bool:
		if d.Bool(false) {
			return "1"
		}
		return "0"
	case pipeline.Int, pipeline.Float:
		return d.Text()
	}
	return Quote(d.Text())
}
