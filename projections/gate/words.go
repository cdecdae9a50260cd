package gate

import (
	"fmt"
	"regexp"
	"strings"
)

// Refused says why a statement is not asked, in ClickHouse's manner.
type Refused struct {
	Code    int    // of ClickHouse's (src/Common/ErrorCodes.cpp)
	Name    string // of that code
	Message string
}

func (r *Refused) Error() string {
	return fmt.Sprintf("Code: %d. DB::Exception: %s. (%s)", r.Code, r.Message, r.Name)
}

func denied(format string, args ...any) error {
	return &Refused{497, "ACCESS_DENIED", fmt.Sprintf(format, args...)}
}

// Statement is what the engine is asked.
type Statement struct {
	Text   string // as the engine wrote it, without FORMAT
	Format string // that it names, empty where it names none
}

// Read looks at the words of a statement that formatQuerySingleLine wrote.
func Read(text string) (Statement, error) {
	words, err := split(text)
	if err != nil {
		return Statement{}, err
	}
	s := Statement{Text: strings.TrimSpace(text)}
	for i, w := range words {
		next := func(n int) string {
			if i+n < len(words) {
				return words[i+n].text
			}
			return ""
		}
		switch {
		case w.text == "INTO" && next(1) == "OUTFILE":
			return s, denied("files cannot be written here: INTO OUTFILE")
		case w.text == ":" && next(1) == "Identifier":
			return s, denied("a parameter cannot stand for a name here: write the name")
		case w.text == "FORMAT" && name.MatchString(next(1)) && next(2) == "":
			s.Text, s.Format = strings.TrimSpace(text[:w.at]), next(1)
		}
	}
	if len(words) == 0 {
		return s, &Refused{62, "SYNTAX_ERROR", "Syntax error: the statement is empty"}
	}
	if words[0].text == "INSERT" {
		return s, &Refused{164, "READONLY", "Cannot execute query in readonly mode: nothing is inserted here"}
	}
	if words[0].text == "SHOW" && !shown(words) {
		return s, denied("of SHOW statements, TABLES, DATABASES, COLUMNS, CREATE, FUNCTIONS and SETTINGS are answered here")
	}
	if words[0].text == "EXPLAIN" && (len(words) < 2 || words[1].text != "AST" && words[1].text != "SYNTAX" || len(words) > 3 && words[3].text == "=") {
		// The others tell how many rows and parts are read, hidden ones too.
		return s, denied("of EXPLAIN statements, EXPLAIN AST and EXPLAIN SYNTAX are answered here, without settings")
	}
	return s, nil
}

func shown(words []word) bool {
	for _, w := range words[1:] {
		switch w.text {
		case "FULL", "EXTENDED":
			continue
		case "TABLES", "DATABASES", "COLUMNS", "FIELDS", "CREATE", "FUNCTIONS", "SETTINGS":
			return true
		}
		return false
	}
	return false
}

type word struct {
	text string // of a quoted one, with its quotes
	at   int
}

var name = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// split cuts a text into words, quoted texts and single characters. What the engine never writes outside of
// quotes is refused: there the two could see different statements.
func split(text string) ([]word, error) {
	var words []word
	for i := 0; i < len(text); {
		c, start := text[i], i
		switch {
		case c == ' ' || c == '\n':
			i++
			continue
		case c == '\'' || c == '"' || c == '`':
			i++
			for i < len(text) && text[i] != c {
				if text[i] == '\\' {
					i++
				}
				i++
			}
			if i >= len(text) {
				return nil, &Refused{62, "SYNTAX_ERROR", "Syntax error: a quote is not closed"}
			}
			i++
		case letter(c):
			for i < len(text) && letter(text[i]) {
				i++
			}
		case c < ' ' || c >= 0x7f || c == '$' || c == '#' || strings.HasPrefix(text[i:], "--") || strings.HasPrefix(text[i:], "/*"):
			return nil, &Refused{62, "SYNTAX_ERROR", fmt.Sprintf("Syntax error: %q cannot be read here", text[i:min(len(text), i+10)])}
		default:
			i++
		}
		words = append(words, word{text[start:i], start})
	}
	return words, nil
}

func letter(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// WritesFormat tells whether answers may be in a format. Those are left out that read a schema from a
// file, or that tell of the rows that were read.
func WritesFormat(format string) bool { return formats.MatchString(format) }

var formats = regexp.MustCompile(`^(?i:Native|Null|Vertical|Values|XML|Markdown|MD|TSKV|SQLInsert|MsgPack|BSONEachRow|` +
	`Parquet|Arrow|ArrowStream|ORC|Avro|LineAsString|RawBLOB|Npy|Hash|NDJSON|PrettyNDJSON|Prometheus|` +
	`RowBinary(WithNames(AndTypes)?)?|(TabSeparated|TSV)(Raw)?(WithNames(AndTypes)?)?|Raw(WithNames(AndTypes)?)?|` +
	`(CSV|CustomSeparated)(WithNames(AndTypes)?)?|JSON(Lines|L)?|JSON(Compact)?(Strings)?|JSON(Compact)?(Strings)?EachRow|` +
	`JSONCompact(Strings)?EachRowWithNames(AndTypes)?|JSON(Compact)?Columns(WithMetadata)?|JSONObjectEachRow|` +
	`PrettyJSONEachRow|PrettyJSONLines|Pretty(Compact|Space)?(NoEscapes)?(MonoBlock)?)$`)

// setting finds settings that a visitor may bring along: how answers are written, and tighter bounds.
var setting = regexp.MustCompile(`^(output_format_.*|format_csv_delimiter|date_time_output_format|bool_(true|false)_representation|` +
	`session_timezone|join_use_nulls|extremes|max_block_size|limit|offset|group_by_use_nulls|joined_subquery_requires_alias|` +
	`max_execution_time|max_result_rows|result_overflow_mode|final)$`)

// left finds settings that clients send and that change no answer here: they are let go.
var left = regexp.MustCompile(`^(readonly|log_queries|send_progress_in_http_headers|http_.*|cancel_http_readonly_queries_on_client_close|` +
	`use_query_cache|max_threads|send_timeout|receive_timeout|connect_timeout|max_memory_usage|async_insert|wait_for_async_insert|` +
	`allow_experimental_.*|enable_.*_type|input_format_.*|date_time_input_format|query_plan_.*|optimize_.*|max_rows_to_read|max_bytes_to_read|log_comment|` +
	`low_cardinality_allow_in_native_format|add_http_cors_header|insert_deduplicate|max_query_size|role|query_cache_.*)$`)

// TakeSetting tells whether a visitor may set something. Where it may not, and it is none of those that are
// quietly left out, the error says so.
func TakeSetting(name string) (bool, error) {
	switch {
	case name == "output_format_schema" || name == "output_format_write_statistics":
	case setting.MatchString(name):
		return true, nil
	case left.MatchString(name):
		return false, nil
	}
	return false, &Refused{164, "READONLY", fmt.Sprintf("Cannot modify '%s' setting in readonly mode", name)}
}
