package rest

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// body is what a request brings: the fields of a JSON object or of a form.
// Both may be nil: a POST without a body has no field, and each operation says what it misses.
type body struct {
	fields map[string]json.RawMessage // of JSON
	form   url.Values
}

// maxForm is how much of a form with files is held in memory.
// The body as a whole is bounded by the door (8 MiB), so files stay in memory.
const maxForm = 8 << 20

// body reads the request's body, in any of the forms that Django REST framework takes.
// It can be read once; operations and their parts ask for it as often as they like.
func (q *request) body() (*body, error) {
	if q.sent != nil {
		return q.sent, nil
	}
	b, err := q.readBody()
	q.sent = b
	return b, err
}

func (q *request) readBody() (*body, error) {
	kind, _, err := mime.ParseMediaType(q.r.Header.Get("Content-Type"))
	// curl -d without a header sends a form's type; what sends none at all means JSON.
	if q.r.Header.Get("Content-Type") == "" || err != nil {
		kind = "application/json"
	}
	b := &body{}
	switch kind {
	case "application/json":
		text, err := q.text()
		if err != nil {
			return nil, err
		}
		if len(strings.TrimSpace(text)) == 0 {
			return b, nil
		}
		// Valid JSON, and no dictionary: Django has a sentence of its own for it.
		if strings.TrimSpace(text) == "null" {
			return nil, invalid("non_field_errors", "No data provided")
		}
		if err := json.Unmarshal([]byte(text), &b.fields); err != nil {
			var wrong *json.UnmarshalTypeError
			if errors.As(err, &wrong) {
				return nil, invalid("non_field_errors", "Invalid data. Expected a dictionary, but got %s.", pythonType(wrong.Value))
			}
			return nil, detail(http.StatusBadRequest, "JSON parse error - %v", err)
		}
	case "application/x-www-form-urlencoded":
		if err := q.r.ParseForm(); err != nil {
			return nil, q.unread(err)
		}
		b.form = q.r.PostForm
	case "multipart/form-data":
		if err := q.r.ParseMultipartForm(maxForm); err != nil {
			return nil, q.unread(err)
		}
		// The server does so for the request that it made, of which this one is a copy: files would stay on the disk.
		defer func() { _ = q.r.MultipartForm.RemoveAll() }()
		// A file is a field with its content: "curl -F definition=@job.yaml" submits so.
		b.form = url.Values(q.r.MultipartForm.Value)
		for name, files := range q.r.MultipartForm.File {
			f, err := files[0].Open()
			if err != nil {
				return nil, q.unread(err)
			}
			text, err := io.ReadAll(f)
			if err = errors.Join(err, f.Close()); err != nil {
				return nil, q.unread(err)
			}
			b.form.Set(name, string(text))
		}
	default:
		// text/plain is read by [validateDevice] alone, which takes the text as it is.
		return nil, detail(http.StatusUnsupportedMediaType, "Unsupported media type %q in request.", q.r.Header.Get("Content-Type"))
	}
	return b, nil
}

// text reads the body as it is.
func (q *request) text() (string, error) {
	text, err := io.ReadAll(q.r.Body)
	if err != nil {
		return "", q.unread(err)
	}
	return string(text), nil
}

// unread says why a body could not be read.
// The only error of its own kind is the door's bound; all else is a connection that broke off.
func (q *request) unread(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return detail(http.StatusRequestEntityTooLarge, "The request is too large: allowed are %d bytes.", large.Limit)
	}
	return detail(http.StatusBadRequest, "Malformed request: %v.", err)
}

// want is a field that an operation reads.
type want struct {
	name string
	to   *string
	need need
}

// need is what a body must have of a field; what it lacks is told in Django's words.
type need uint8

const (
	may    need = iota // left out it changes nothing; null and blank set ""
	filled             // may be left out, as PATCH does, and must not be null or blank
	must               // has to be there, neither null nor blank
)

// fields reads fields of the request's body.
// It refuses callers without a name first: LAVA tells them nothing of what is wrong with a body.
func (q *request) fields(wanted ...want) error {
	if err := q.named(); err != nil {
		return err
	}
	b, err := q.body()
	if err != nil {
		return err
	}
	return b.read(wanted...)
}

// read reads fields; the error tells of all that are missing.
// All that is wrong is told at once, in the order of the fields, as forms are.
func (b *body) read(wanted ...want) error {
	missing := object{}
	for _, w := range wanted {
		value, there := b.text(w.name)
		switch {
		case there && b.null(w.name) && w.need != may:
			missing = append(missing, member{w.name, []string{notNull}})
		// Numbers are taken as their text, as Django REST framework's CharField does; nothing else is.
		case there && b.nested(w.name):
			missing = append(missing, member{w.name, []string{"Not a valid string."}})
		case there && value == "" && w.need != may:
			missing = append(missing, member{w.name, []string{"This field may not be blank."}})
		case there:
			*w.to = value
		case w.need == must:
			missing = append(missing, member{w.name, []string{"This field is required."}})
		}
	}
	if len(missing) > 0 {
		return &problem{status: http.StatusBadRequest, body: missing}
	}
	return nil
}

// notNull is Django REST framework's for a null where a value has to be.
const notNull = "This field may not be null."

// noNull refuses null in fields that are no texts. It would else be false, 0 or no rows at all: an account would be shut
// out, a device lose its tags, by a client that sends null for what it does not know.
func (b *body) noNull(names ...string) error {
	for _, name := range names {
		if b.null(name) {
			return invalid(name, notNull)
		}
	}
	return nil
}

// null tells whether a field holds JSON's null.
// A form has no null: there an empty text is the nearest to it.
func (b *body) null(name string) bool { return string(b.fields[name]) == "null" }

// nested tells whether a field holds a list, an object, or true or false.
func (b *body) nested(name string) bool {
	raw := string(b.fields[name])
	return strings.HasPrefix(raw, "[") || strings.HasPrefix(raw, "{") || raw == "true" || raw == "false"
}

// pythonType is how Python calls a type of JSON.
// encoding/json's words are JSON's; the sentence of Django REST framework has Python's.
func pythonType(word string) string {
	switch word {
	case "array":
		return "list"
	case "string":
		return "str"
	case "number":
		return "int"
	}
	return word
}

// has tells whether the body has a field, whatever it holds.
func (b *body) has(name string) bool {
	_, json := b.fields[name]
	return json || b.form.Has(name)
}

// text returns a field as a text; null is empty.
// Of several values of a form the first is meant; JSON's numbers and booleans come as they are written.
func (b *body) text(name string) (string, bool) {
	if b.form.Has(name) {
		return b.form.Get(name), true
	}
	raw, there := b.fields[name]
	if !there {
		return "", false
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s, true
	}
	if string(raw) == "null" {
		return "", true
	}
	return string(raw), true
}

// list returns a field that holds several values.
// A form repeats the field or has commas in it; JSON has a list, whose numbers are taken as text.
func (b *body) list(name string) []string {
	if b.form.Has(name) {
		return slices.DeleteFunc(slices.Clone(b.form[name]), func(s string) bool { return s == "" })
	}
	var raw []json.RawMessage
	if json.Unmarshal(b.fields[name], &raw) != nil {
		if one, there := b.text(name); there && one != "" {
			return strings.Split(one, ",")
		}
		return nil
	}
	var out []string
	for _, r := range raw {
		var s string
		if json.Unmarshal(r, &s) != nil {
			s = string(r)
		}
		out = append(out, s)
	}
	return out
}

// truth returns a field that is true or false.
// The words are those of Django REST framework's BooleanField; "on" is what a ticked box of a form sends.
func (b *body) truth(name string) (value, there bool, err error) {
	s, there := b.text(name)
	if !there {
		return false, false, nil
	}
	switch strings.ToLower(s) {
	case "true", "1", "on", "yes", "t", "y":
		return true, true, nil
	case "false", "0", "off", "no", "f", "n", "":
		return false, true, nil
	}
	return false, true, invalid(name, "Must be a valid boolean.")
}

// whole returns a field that is a number from 0.
// Text that is a number is taken, for forms have nothing else.
func (b *body) whole(name string) (value int, there bool, err error) {
	s, there := b.text(name)
	if !there {
		return 0, false, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, true, invalid(name, "A valid integer is required.")
	}
	if n < 0 {
		return 0, true, invalid(name, "Ensure this value is greater than or equal to 0.")
	}
	return n, true, nil
}
