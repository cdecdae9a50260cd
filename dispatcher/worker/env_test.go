package worker

import (
	"slices"
	"strings"
	"testing"
)

func TestProcessEnv(t *testing.T) {
	harmless := []string{"HOME=/root", "PATH=/bin", "LC_TIME=C", "https_proxy=http://proxy:3128"}
	own := append([]string{"PATHS=/x", "PDU_PASSWORD=secret"}, harmless...)
	given := append([]string{"STRATA_TOKEN=strata1_x"}, own...) // which nobody gets
	tests := []struct {
		name, text string
		want       []string
		err        string
	}{
		{"nothing said", "", harmless, ""},
		{"nothing but a comment", "# none", harmless, ""},
		{"purge", "purge: true", nil, ""},
		{"purge in old words", "purge: yes", nil, ""},
		{"no purge", "purge: false", own, ""},
		{"removes", "removes: [PATH, NONE]", []string{"HOME=/root", "LC_TIME=C", "https_proxy=http://proxy:3128"}, ""},
		{"no purge, but removes", "purge: false\nremoves: [PDU_PASSWORD]", append([]string{"PATHS=/x"}, harmless...), ""},
		{"overrides", "overrides: {PATH: /usr/bin, LANG: C.UTF-8}",
			[]string{"HOME=/root", "LC_TIME=C", "https_proxy=http://proxy:3128", "PATH=/usr/bin", "LANG=C.UTF-8"}, ""},
		{"scalars stand as written", "purge: true\noverrides: {MODE: 010, ON: yes, RATE: 1.50, NONE: ''}",
			[]string{"MODE=010", "ON=yes", "RATE=1.50", "NONE="}, ""},
		{"all of it", "purge: true\nremoves: [LANG]\noverrides:\n  LANG: C", []string{"LANG=C"}, ""},
		{"a list", "- a", nil, "is a list"},
		{"a nested value", "overrides:\n  A: [1]", nil, "line 2"},
		{"a name that cannot be", "overrides:\n  'A=B': 1", nil, `"A=B" cannot be the name`},
		{"a number to remove", "removes: [1]", nil, "want a name"},
		{"no YAML", "a: [", nil, "read env.yaml"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(given)
			got, err := processEnv(tt.text, given)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Fatalf("processEnv(%q): got error %v, want %q", tt.text, err, tt.err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("processEnv(%q): got %q, want %q", tt.text, got, tt.want)
			}
			if !slices.Equal(given, before) {
				t.Errorf("processEnv(%q) changed its argument to %q", tt.text, given)
			}
		})
	}
}
