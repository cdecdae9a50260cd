package sql

import (
	"regexp"
	"strings"
	"testing"
)

// Every column that the view declares is taken from its file, with an expression of its own.
func TestJobsHasTheViewsColumns(t *testing.T) {
	text, err := Files.ReadFile("0021_jobs.sql")
	if err != nil {
		t.Fatal(err)
	}
	head, _, found := strings.Cut(string(text), "\n) AS\n")
	if !found {
		t.Fatal("the view's file has no list of columns before its SELECT")
	}
	declared := regexp.MustCompile(`(?m)^    (\w+) +[A-Z]`).FindAllStringSubmatch(head, -1)
	if got := len(jobColumns()); got != len(declared) || got < 40 {
		t.Fatalf("%d columns are taken from the file, want the %d that it declares", got, len(declared))
	}
	for i, c := range jobColumns() {
		if c.name != declared[i][1] || c.expression == "" || strings.Count(c.expression, "(") != strings.Count(c.expression, ")") {
			t.Errorf("column %d is %s, as %q; want %s", i, c.name, c.expression, declared[i][1])
		}
	}
}

func TestJobsTakesWhatIsNamed(t *testing.T) {
	tests := []struct {
		texts []string
		want  string
	}{
		{nil, "(SELECT s.job AS job FROM job_state AS s FINAL)"},
		{[]string{"user = {p1:String} AND NOT removed", "job, name"},
			"(SELECT s.job AS job, s.user AS user, s.name AS name, toBool(s.removed) AS removed FROM job_state AS s FINAL)"},
	}
	for _, tt := range tests {
		if got := Jobs(tt.texts...); got != tt.want {
			t.Errorf("Jobs(%q):\n got %s\nwant %s", tt.texts, got, tt.want)
		}
	}
	// A group of columns is merged whole, so none of it may be read by its name with a dot.
	if whole := Jobs("ended_at health state device"); regexp.MustCompile(`s\.\w+\.`).MatchString(whole) {
		t.Errorf("a column of a group is read alone: %s", whole)
	}
}
