package sqldoor

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"strata/projections/gate"
)

// formReader returns the parts of a request that is a multipart form. Clients send one where the parameters of a
// statement would make its address too long: clickhouse-connect from 8 KiB on, JDBC where it is told to.
func formReader(r *http.Request) (form *multipart.Reader, isForm bool, err error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return nil, false, nil // any other type is a statement: clients name all kinds
	}
	if r.Header.Get("Content-Encoding") != "" || r.URL.Query().Get("decompress") == "1" {
		return nil, true, &gate.Refused{Code: 48, Name: "NOT_IMPLEMENTED", Message: "A form cannot be compressed here"}
	}
	return multipart.NewReader(r.Body, params["boundary"]), true, nil
}

// readForm adds the fields of a form to the values of the address: the statement and its parameters. Bounds are
// those of a statement, as all of it goes to the engine together. What a form may bring besides is tables
// of the client's own, which are refused.
func readForm(form *multipart.Reader, values url.Values) error {
	left := int64(maxStatement)
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &gate.Refused{Code: 1000, Name: "POCO_EXCEPTION", Message: "the form cannot be read"}
		}
		name := part.FormName()
		if part.FileName() != "" || name != "query" && !strings.HasPrefix(name, "param_") {
			return &gate.Refused{Code: 48, Name: "NOT_IMPLEMENTED",
				Message: fmt.Sprintf("A form brings query and param_NAME here, and %q is neither: external tables are not taken", name)}
		}
		text, err := io.ReadAll(io.LimitReader(part, left+1))
		if err != nil {
			return &gate.Refused{Code: 1000, Name: "POCO_EXCEPTION", Message: "the form cannot be read"}
		}
		if left -= int64(len(text)); left < 0 {
			return &gate.Refused{Code: 62, Name: "SYNTAX_ERROR", Message: fmt.Sprintf("Syntax error: the form has more than %d bytes", maxStatement)}
		}
		if name == "query" && values.Get(name) != "" {
			text = append([]byte(values.Get(name)+"\n"), text...)
		}
		values.Set(name, string(text))
	}
}
