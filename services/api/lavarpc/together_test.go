package lavarpc

import (
	"errors"
	"net/http"
	"testing"

	"strata/services/api/xmlrpc"
)

// Of calls that come together no more are done than their answers find room for, and the others are told so.
func TestAnswersTogetherAreBounded(t *testing.T) {
	t.Parallel()
	const size = mostTogether / 4
	done := 0
	h := &handler{methods: map[string]method{
		"big":  {name: "big", call: func(call) (any, error) { done++; return []any{make([]byte, size)}, nil }},
		"none": {name: "none", call: func(call) (any, error) { return nil, fault(http.StatusNotFound, "there is none") }},
	}}
	var calls []any
	for i := range 12 {
		name := "big"
		if i == 0 {
			name = "none"
		}
		calls = append(calls, xmlrpc.Struct{{Name: "methodName", Value: name}, {Name: "params", Value: []any{}}})
	}
	answer, err := multicall(call{h: h, args: []any{calls}})
	if err != nil {
		t.Fatal(err)
	}
	all, _ := answer.([]any)
	if len(all) != len(calls) || done != 5 && done != 4 {
		t.Fatalf("%d answers of %d calls, %d of them done; want all answered, and done as long as there is room", len(all), len(calls), done)
	}
	for i, one := range all {
		_, refused := one.(xmlrpc.Struct)
		if want := i == 0 || i > done; refused != want {
			t.Errorf("call %d is refused %v, want %v", i, refused, want)
		}
	}
	var f *xmlrpc.Fault
	if _, err := multicall(call{h: h, args: []any{make([]any, mostCalls+1)}}); !errors.As(err, &f) {
		t.Errorf("%d calls: %v, want a fault", mostCalls+1, err)
	}
}
