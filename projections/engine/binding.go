package engine

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// binding is the part of chdb.h that the front needs, opened at run time. Handles are opaque
// pointers of the library; `_n` functions take lengths, so texts may hold any byte.
type binding struct {
	connect  func(argc int32, argv unsafe.Pointer) unsafe.Pointer // points at a connection handle
	closeOne func(holder unsafe.Pointer)                          // takes what connect returned
	signals  func(enabled int32)
	shutdown func() int32

	query  func(conn, query unsafe.Pointer, queryLen uintptr, format unsafe.Pointer, formatLen uintptr, names, nameLens, values, valueLens unsafe.Pointer, count uintptr) unsafe.Pointer
	stream func(conn, query unsafe.Pointer, queryLen uintptr, format unsafe.Pointer, formatLen uintptr, names, nameLens, values, valueLens unsafe.Pointer, count uintptr) unsafe.Pointer
	fetch  func(conn, stream unsafe.Pointer) unsafe.Pointer
	cancel func(conn, stream unsafe.Pointer)

	insert        func(conn, query unsafe.Pointer, queryLen uintptr, format unsafe.Pointer, formatLen uintptr, names, nameLens, values, valueLens unsafe.Pointer, count uintptr) unsafe.Pointer
	insertAppend  func(insert, data unsafe.Pointer, length uintptr) int32
	insertDone    func(insert unsafe.Pointer) unsafe.Pointer
	insertCancel  func(insert unsafe.Pointer)
	insertError   func(insert unsafe.Pointer) unsafe.Pointer
	insertDestroy func(insert unsafe.Pointer)

	resultBuffer  func(result unsafe.Pointer) unsafe.Pointer
	resultLength  func(result unsafe.Pointer) uintptr
	resultError   func(result unsafe.Pointer) unsafe.Pointer
	resultDestroy func(result unsafe.Pointer)
	rowsWritten   func(result unsafe.Pointer) uint64
}

// open loads the library and binds its functions. A process loads it once: a second load of the
// same file gives the same engine, which has one data directory.
func open(library string) (b *binding, err error) {
	handle, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", library, err)
	}
	b = new(binding)
	for name, function := range map[string]any{
		"chdb_connect": &b.connect, "chdb_close_conn": &b.closeOne,
		"chdb_set_signal_handlers_enabled": &b.signals, "chdb_shutdown": &b.shutdown,
		"chdb_query_with_params_n": &b.query, "chdb_stream_query_with_params_n": &b.stream,
		"chdb_stream_fetch_result": &b.fetch, "chdb_stream_cancel_query": &b.cancel,
		"chdb_stream_insert_with_params_n": &b.insert, "chdb_stream_append": &b.insertAppend,
		"chdb_stream_done": &b.insertDone, "chdb_stream_cancel_insert": &b.insertCancel,
		"chdb_stream_insert_error": &b.insertError, "chdb_destroy_insert_stream": &b.insertDestroy,
		"chdb_result_buffer": &b.resultBuffer, "chdb_result_length": &b.resultLength,
		"chdb_result_error": &b.resultError, "chdb_destroy_query_result": &b.resultDestroy,
		"chdb_result_rows_written": &b.rowsWritten,
	} {
		symbol, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("bind %s of %s (is it libchdb %s?): %w", name, library, LibraryVersion, err)
		}
		purego.RegisterFunc(function, symbol)
	}
	// Go must see its own signals: a nil pointer has to stay a recoverable panic.
	b.signals(0)
	return b, nil
}

// conn is one connection of the library. It runs one statement at a time.
type conn struct {
	b      *binding
	holder unsafe.Pointer // what connect returned
	handle unsafe.Pointer // what the other functions take
}

// dial opens a connection to the engine on the data directory path. The first one starts the
// engine, with the configuration in a file; all others of the process must name the same path.
func (b *binding) dial(path, config string) (*conn, error) {
	arguments := []string{"strata\x00", "--path=" + path + "\x00", "--config-file=" + config + "\x00"}
	var pins runtime.Pinner
	defer pins.Unpin()
	argv := make([]unsafe.Pointer, len(arguments)+1)
	for i, a := range arguments {
		argv[i] = unsafe.Pointer(unsafe.StringData(a))
		pins.Pin(argv[i])
	}
	pins.Pin(&argv[0])
	holder := b.connect(int32(len(arguments)), unsafe.Pointer(&argv[0]))
	if holder == nil {
		return nil, fmt.Errorf("open a connection on %s: the library refused; another process may hold the directory", path)
	}
	handle := *(*unsafe.Pointer)(holder)
	if handle == nil {
		return nil, fmt.Errorf("open a connection on %s: the library gave none", path)
	}
	return &conn{b: b, holder: holder, handle: handle}, nil
}

func (c *conn) close() {
	c.b.closeOne(c.holder)
	c.holder, c.handle = nil, nil
}

// parameters are {name:Type} values, TSV-escaped as the HTTP interface takes them.
type parameters map[string]string

// vectors lays p out as the four arrays that the library reads, pinned until pins is released.
func (p parameters) vectors(pins *runtime.Pinner) (names, nameLens, values, valueLens unsafe.Pointer) {
	if len(p) == 0 {
		return nil, nil, nil, nil
	}
	text := make([]unsafe.Pointer, 0, 2*len(p))
	length := make([]uintptr, 0, 2*len(p))
	add := func(s string) {
		s += "\x00" // so that an empty text has an address too
		at := unsafe.Pointer(unsafe.StringData(s))
		pins.Pin(at)
		text, length = append(text, at), append(length, uintptr(len(s)-1))
	}
	keys := make([]string, 0, len(p))
	for k := range p {
		keys = append(keys, k)
		add(k)
	}
	for _, k := range keys {
		add(p[k])
	}
	pins.Pin(&text[0])
	pins.Pin(&length[0])
	n := len(p)
	return unsafe.Pointer(&text[0]), unsafe.Pointer(&length[0]), unsafe.Pointer(&text[n]), unsafe.Pointer(&length[n])
}

// starter is the shape that chdb's query, stream and insert functions share.
type starter func(conn, query unsafe.Pointer, queryLen uintptr, format unsafe.Pointer, formatLen uintptr, names, nameLens, values, valueLens unsafe.Pointer, count uintptr) unsafe.Pointer

func (c *conn) start(f starter, query, format string, p parameters) unsafe.Pointer {
	var pins runtime.Pinner
	defer pins.Unpin()
	q, o := unsafe.Pointer(unsafe.StringData(query)), unsafe.Pointer(unsafe.StringData(format))
	pins.Pin(q)
	pins.Pin(o)
	names, nameLens, values, valueLens := p.vectors(&pins)
	return f(c.handle, q, uintptr(len(query)), o, uintptr(len(format)), names, nameLens, values, valueLens, uintptr(len(p)))
}

// errEmpty reports a statement without text, which the library would read past.
var errEmpty = exception{62, "SYNTAX_ERROR", errors.New("the statement is empty")}

// run executes one statement and hands its whole output to sink, if there is any.
func (c *conn) run(query, format string, p parameters, sink func([]byte) error) error {
	if query == "" {
		return errEmpty
	}
	return c.take(c.start(c.b.query, query, format, p), sink)
}

// take hands the content of a result to sink and frees the result. The bytes are the library's
// and valid during the call only.
func (c *conn) take(result unsafe.Pointer, sink func([]byte) error) error {
	if result == nil {
		return exception{1002, "UNKNOWN_EXCEPTION", errors.New("the engine gave no result")}
	}
	defer c.b.resultDestroy(result)
	if text := c.b.resultError(result); text != nil {
		return errors.New(cString(text))
	}
	length := c.b.resultLength(result)
	if length == 0 || sink == nil {
		return nil
	}
	return sink(unsafe.Slice((*byte)(c.b.resultBuffer(result)), length))
}

// errNotStreamed reports a statement that the library does not stream; it has not run.
var errNotStreamed = errors.New("statement cannot be streamed")

// runStream executes a SELECT and hands its output to sink piece by piece, so that a large result
// is never held whole. Other statements are refused with errNotStreamed before they run.
func (c *conn) runStream(query, format string, p parameters, sink func([]byte) error) error {
	stream := c.start(c.b.stream, query, format, p)
	if stream == nil {
		return errNotStreamed
	}
	defer c.b.resultDestroy(stream)
	if text := c.b.resultError(stream); text != nil {
		return errors.New(cString(text))
	}
	for {
		more := false
		err := c.take(c.b.fetch(c.handle, stream), func(piece []byte) error {
			more = true
			return sink(piece)
		})
		if err != nil {
			c.b.cancel(c.handle, stream)
			return err
		}
		if !more {
			return nil
		}
	}
}

// load executes an INSERT whose rows come from next, in format, until next gives nothing more. An
// error of next abandons the insert.
func (c *conn) load(query, format string, p parameters, next func() ([]byte, error)) error {
	insert := c.start(c.b.insert, query, format, p)
	defer c.b.insertDestroy(insert)
	failed := func() error {
		if text := c.b.insertError(insert); text != nil {
			return errors.New(cString(text))
		}
		return nil
	}
	if err := failed(); err != nil {
		return err
	}
	for {
		data, err := next()
		if err != nil {
			c.b.insertCancel(insert)
			return err
		}
		if len(data) == 0 {
			break
		}
		var pins runtime.Pinner
		pins.Pin(&data[0])
		state := c.b.insertAppend(insert, unsafe.Pointer(&data[0]), uintptr(len(data)))
		pins.Unpin()
		if state != 0 { // the reason is in done's result
			break
		}
	}
	if err := c.take(c.b.insertDone(insert), nil); err != nil {
		return err
	}
	return failed()
}

// cString copies a NUL-terminated text of the library.
func cString(p unsafe.Pointer) string {
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}
