package job

import (
	"strings"
	"testing"
)

func TestReadCheck(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"whole", "job_name: c\nvisibility: public\n", ""},
		{"no name", "visibility: public\n", "required key not provided @ data['job_name']"},
		{"no visibility", "job_name: c\n", "Job visibility must be specified."},
		{"no mapping", "- a\n", "expected a dictionary"},
		{"no YAML", "job_name: [\n", "Loading job submission failed: "},
		{"empty", "", "expected a dictionary"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			def, problems := ReadCheck([]byte(tt.text))
			switch {
			case tt.want == "":
				if def == nil || len(problems) != 0 {
					t.Errorf("ReadCheck: %v, want a definition", problems)
				}
			case len(problems) != 1 || len(problems[0].Message) < len(tt.want) || problems[0].Message[:len(tt.want)] != tt.want:
				t.Errorf("ReadCheck: %v, want %q", problems, tt.want)
			}
		})
	}
}

// The place of a fault in the text is told, not only kept.
func TestReadCheckTellsWhere(t *testing.T) {
	_, problems := ReadCheck([]byte("job_name: c\nvisibility: [\n"))
	if len(problems) != 1 || problems[0].Line == 0 || !strings.Contains(problems[0].Error(), problems[0].at.Where()) || strings.Contains(problems[0].Error(), "unknown place") {
		t.Errorf("ReadCheck of a text that is no YAML: %v, want a problem that says where", problems)
	}
}
