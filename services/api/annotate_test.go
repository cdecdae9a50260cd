package api_test

import (
	"strings"
	"testing"

	"strata/projections"
	"strata/services/api"
)

func TestAnnotateJob(t *testing.T) {
	t.Parallel()
	b, c := start(t)
	id := publish(t, b, "x")
	b.Append(t, submitted(id))
	in := api.AnnotateRequest{Job: id, Tags: []string{" power ", "power", ""}, Comment: "the PDU was off"}
	if err := c.Call(t.Context(), "jobs.annotate", in, nil); !api.HasCode(err, api.Conflict) || !strings.Contains(err.Error(), "not over") {
		t.Errorf("a job that is not over: %v", err)
	}
	attemptOn(t, b, id, "q1", "no power")
	call(t, c, "jobs.annotate", in, nil)
	var row projections.SelectedJob
	call(t, c, "jobs.row", api.JobRequest{Job: id}, &row)
	if len(row.FailureTags) != 1 || row.FailureTags[0] != "power" || row.Comment != "the PDU was off" {
		t.Errorf("tags %v, comment %q", row.FailureTags, row.Comment)
	}
	call(t, c, "jobs.annotate", api.AnnotateRequest{Job: id}, nil) // takes it back
	row = projections.SelectedJob{}
	call(t, c, "jobs.row", api.JobRequest{Job: id}, &row)
	if len(row.FailureTags) != 0 || row.Comment != "" {
		t.Errorf("afterwards: tags %v, comment %q", row.FailureTags, row.Comment)
	}
	for _, tt := range []struct {
		in   api.AnnotateRequest
		code api.Code
		want string
	}{
		{api.AnnotateRequest{Job: id, Comment: strings.Repeat("x", 4001)}, api.Invalid, "too long"},
		{api.AnnotateRequest{Job: id, Tags: []string{"a\nb"}}, api.Invalid, "printed"},
		{api.AnnotateRequest{Job: id, Tags: strings.Fields(many(51))}, api.Invalid, "50"},
		{api.AnnotateRequest{Job: 99}, api.NotFound, ""},
	} {
		if err := c.Call(t.Context(), "jobs.annotate", tt.in, nil); !api.HasCode(err, tt.code) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%d tags, comment of %d bytes: got %v, want %s with %q", len(tt.in.Tags), len(tt.in.Comment), err, tt.code, tt.want)
		}
	}
}

// many is so many words.
func many(n int) string {
	var words []string
	for i := range n {
		words = append(words, strings.Repeat("w", i+1))
	}
	return strings.Join(words, " ")
}
