package lavarpc_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"strata/services/api/lavarpc"
	"strata/services/api/xmlrpc"
)

// TestOddArguments calls every method with values of every type in every place: each call is answered, by a value or a
// fault, and none ends a request otherwise.
func TestOddArguments(t *testing.T) {
	t.Parallel()
	c := start(t)
	values := []any{nil, true, int64(-1), int64(1) << 40, 1.5, "", "x", []byte("x"), noon, []any{}, []any{[]any{}, nil}, xmlrpc.Struct{{Name: "a", Value: nil}}}
	for _, m := range lavarpc.Methods() {
		inside := strings.Trim(m.Signature, "()")
		params := len(strings.Split(inside, ","))
		if inside == "" {
			params = 0
		}
		for _, v := range values {
			_, words := v.(string)
			_, blob := v.([]byte)
			if (words || blob || v == nil) && slices.Contains([]string{"scheduler.submit_job", "scheduler.jobs.submit"}, m.Name) {
				continue // a definition, which nobody looks at here: the answer waits for that
			}
			call := xmlrpc.Call{Method: m.Name, Params: slices.Repeat([]any{v}, params)}
			text, err := xmlrpc.EncodeCall(call)
			if err != nil {
				t.Fatal(err)
			}
			answer := c.post("POST", string(text))
			body, err := io.ReadAll(answer.Body)
			if err = errors.Join(err, answer.Body.Close()); err != nil {
				t.Fatal(err)
			}
			var fault *xmlrpc.Fault
			if _, err := xmlrpc.DecodeResponse(body); answer.StatusCode != 200 || err != nil && !errors.As(err, &fault) {
				t.Errorf("%s of %d times %v: %s %.200s", m.Name, params, v, answer.Status, body)
			}
		}
	}
}
