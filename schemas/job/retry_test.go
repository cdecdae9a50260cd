package job

import (
	"strings"
	"testing"
)

// TestRetries holds what a job can ask of Strata alone, and that other metadata means nothing here.
func TestRetries(t *testing.T) {
	t.Parallel()
	const device = "device_type: qemu\n"
	tests := []struct {
		metadata, also string
		times          int
		said           bool
		problem        string
	}{
		{"{strata: {retry: {infrastructure: 1}}}", "", 1, true, ""},
		{"{strata: {retry: {infrastructure: 0}}}", "", 0, true, ""},
		{"{strata: {retry: {infrastructure: 0}}}", "device: qemu01\n", 0, true, ""},
		{"{strata: {retry: {}}}", "", 0, false, ""},
		{"{strata: {}}", "", 0, false, ""},
		{"{strata: my own}", "", 0, false, ""},
		{"{strata: [retry]}", "", 0, false, ""},
		{"{retry: {infrastructure: 1}}", "", 0, false, ""},
		{"{strata: {retry: {infrastructure: 2}}}", "", 0, false,
			`expected a number from 0 to 1, not "2" @ data['metadata']['strata']['retry']['infrastructure']`},
		{"{strata: {retry: {infrastructure: -1}}}", "", 0, false, `not "-1"`},
		{"{strata: {retry: {infrastructure: once}}}", "", 0, false, `not "once"`},
		{"{strata: {retry: {infrastructure: yes}}}", "", 0, false, `from 0 to 1, not "True"`},
		{"{strata: {retry: 1}}", "", 0, false, "expected a dictionary such as {infrastructure: 1} @ data['metadata']['strata']['retry']"},
		{"{strata: {retry: {test: 1}}}", "", 0, false, "only 'infrastructure' is @ data['metadata']['strata']['retry']['test']"},
		{"{strata: {retries: 1}}", "", 0, false, "only 'retry' is @ data['metadata']['strata']['retries']"},
		{"{strata: {retry: {infrastructure: 1}}}", "device: qemu01\n", 0, false, "this job is for one: expected 0"},
	}
	gate := NewGate(Rules{})
	for _, tt := range tests {
		text := strings.Replace(base, "{source: git, 1: one}", tt.metadata, 1)
		text = strings.Replace(text, device, device+tt.also, 1)
		d, problems := gate.Check([]byte(text))
		switch {
		case tt.problem == "" && problems != nil:
			t.Errorf("%s: refused with %v", tt.metadata, problems[0])
		case tt.problem == "":
			if times, said := d.Retries(); times != tt.times || said != tt.said {
				t.Errorf("%s: %d retries (said: %v), want %d (%v)", tt.metadata, times, said, tt.times, tt.said)
			}
		case problems == nil:
			t.Errorf("%s: taken, want %q", tt.metadata, tt.problem)
		case !strings.Contains(problems[0].Message, tt.problem) || problems[0].Line != 11+strings.Count(tt.also, "\n"):
			t.Errorf("%s: %q at line %d, want %q", tt.metadata, problems[0].Message, problems[0].Line, tt.problem)
		}
	}
	gang := strings.Replace(base, device, "protocols: {lava-multinode: {roles: {a: {device_type: qemu, count: 2}}}}\n", 1)
	gang = strings.Replace(gang, "{source: git, 1: one}", "{strata: {retry: {infrastructure: 1}}}", 1)
	if _, problems := gate.Check([]byte(gang)); problems == nil || !strings.Contains(problems[0].Message, "a multinode job is not retried") {
		t.Errorf("multinode job that wants a retry: %v, want a refusal", problems)
	}
}
