package xmlrpc

import "fmt"

// MaxDepth is how deep arrays and structs may lie in one another.
// The decoder calls itself for each level: without a bound a document of <array>s would end the program.
const MaxDepth = 64

// Struct is a struct's members in order; names are unique.
// A slice, for the order: answers are compared with recordings, and lavacli prints in it.
type Struct []Member

// Member is one member of a [Struct].
type Member struct {
	Name  string
	Value any
}

// Get returns the value of a member.
// ok tells a member that is nil from one that is not there.
func (s Struct) Get(name string) (value any, ok bool) {
	for _, m := range s {
		if m.Name == name {
			return m.Value, true
		}
	}
	return nil, false
}

// Call is what a client asks.
type Call struct {
	Method string
	Params []any
}

// Fault is an answer that tells of an error.
// Code is 32 bits wide on the wire; String is a sentence for people on which scripts match.
type Fault struct {
	Code   int
	String string
}

// Error returns code and sentence as Python's client prints them.
func (f *Fault) Error() string { return fmt.Sprintf("<Fault %d: %q>", f.Code, f.String) }

// Struct returns the fault as a value, as answers of several calls at once hold it.
// The order of the members is Python's.
func (f *Fault) Struct() Struct {
	return Struct{{"faultCode", int64(f.Code)}, {"faultString", f.String}}
}
