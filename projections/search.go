package projections

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
)

// Search is a question to the logs of all jobs. Lines come newest job first, within a job in their order.
//
// How it is answered: a word without a digit is looked up among the templates, of which there are
// some ten thousand, and the templates in log_template_jobs; a word with one in log_words. Both say
// which stretches of which jobs to read. A text or an expression is turned into what the templates of
// its lines must look like. Where that says nothing, jobs are read one after the other, newest first.
type Search struct {
	Text string     // up to 1,000 bytes
	Kind SearchKind // "" is Words
	Fold bool       // capitals and small letters are the same
	Filter
	Viewer  Viewer
	After   Place            // goes on behind it; zero begins
	Limit   int              // lines; 0 is 50, at most 1,000
	Context int              // lines before and behind each, at most 20
	Time    time.Duration    // it may take; 0 is 5 s, at most 60 s
	Now     func() time.Time // the clock
}

// Filter says which lines of which jobs are wanted; an empty field wants any.
type Filter struct {
	Jobs        []events.JobID          // of one of them
	Devices     []events.DeviceName     // the job ran on one of them
	DeviceTypes []events.DeviceTypeName // the job asked for one of them
	Levels      []events.Level          // one of them
	Since       time.Time               // not older
	Until       time.Time               // older
}

// Place is a line of a job's log.
type Place struct {
	Job  events.JobID
	Line uint64
}

// String writes a place as people name it: 42#1200.
func (p Place) String() string { return p.Job.String() + "#" + strconv.FormatUint(p.Line, 10) }

// ParsePlace reads what [Place.String] writes.
func ParsePlace(text string) (Place, error) {
	job, line, _ := strings.Cut(text, "#")
	j, err := strconv.ParseUint(job, 10, 64)
	l, lineErr := strconv.ParseUint(line, 10, 64)
	if err = errors.Join(err, lineErr); err != nil || j == 0 {
		return Place{}, wrongSearch("place %q: want job#line, such as 42#1200", text)
	}
	return Place{events.JobID(j), l}, nil
}

// Hit is a line that was found.
type Hit struct {
	Line
	Anchor string `json:"anchor"` // 42#1200
	Before []Line `json:"before,omitempty"`
	After  []Line `json:"after,omitempty"`
}

// SearchPage is the answer to a search, or a part of it.
type SearchPage struct {
	Hits []Hit `json:"hits"`
	// Next is the place to go on behind; "" says that everything has been searched.
	Next string `json:"next,omitempty"`
	// Stopped says why the page ends before it is full, "" where it does not: time, memory, rows. What
	// lies before Next has been searched; where Next is empty then, nothing has been.
	Stopped string `json:"stopped,omitempty"`
}

// stretch is a unit of searching: a run of lines of one job.
type stretch struct {
	Job     uint64 `ch:"job"`
	Stretch uint32 `ch:"stretch"`
}

// Limits of a search.
const (
	searchTime    = 5 * time.Second
	maxSearchTime = time.Minute
	searchMemory  = 1 << 30
	searchRows    = 2_000_000_000 // read by one statement
	maxContext    = 20
	maxHits       = 1000
	maxPageBytes  = 2 << 20 // of messages; a page that has more ends before it is full
	maxTemplates  = 3000    // that are sent by number; of more the engine makes its own list
)

// searcher is a search under way.
type searcher struct {
	db *DB
	Search
	plan    *plan
	ids     []uint64 // templates that lines may have; nil is no restriction by number
	none    bool     // no template fits
	ends    time.Time
	hasty   bool // half of the time that is left is for what is asked now: it can be asked in smaller pieces
	page    SearchPage
	bytes   int   // of the page's messages
	through Place // everything before and up to here has been searched
}

// Search finds lines. An error that is [ErrSearch] says what is wrong with the question.
func (db *DB) Search(ctx context.Context, q Search) (SearchPage, error) {
	s, err := db.newSearcher(q)
	if err != nil {
		return SearchPage{}, err
	}
	stopped, err := s.run(ctx)
	if err != nil {
		return SearchPage{}, fmt.Errorf("search the logs: %w", err)
	}
	if stopped != "" {
		s.page.Stopped = stopped
		if s.through.Job != 0 {
			s.page.Next = s.through.String()
		}
	}
	if err := s.addContext(ctx); err != nil {
		return SearchPage{}, fmt.Errorf("read around lines that were found: %w", err)
	}
	return s.page, nil
}

func (db *DB) newSearcher(q Search) (*searcher, error) {
	if q.Kind == "" {
		q.Kind = Words
	}
	switch {
	case q.Limit < 0 || q.Limit > maxHits:
		return nil, wrongSearch("limit is %d; allowed are 1 to %d", q.Limit, maxHits)
	case q.Context < 0 || q.Context > maxContext:
		return nil, wrongSearch("context is %d; allowed are 0 to %d", q.Context, maxContext)
	case q.Time < 0 || q.Time > maxSearchTime:
		return nil, wrongSearch("time is %v; allowed is up to %v", q.Time, maxSearchTime)
	case !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until):
		return nil, wrongSearch("since is %v and not before until, %v", q.Since, q.Until)
	}
	plan, err := planSearch(q.Text, q.Kind, q.Fold)
	if err != nil {
		return nil, err
	}
	if q.Limit == 0 {
		q.Limit = defaultLimit
	}
	if q.Time == 0 {
		q.Time = searchTime
	}
	s := &searcher{db: db, Search: q, plan: plan, ends: q.Now().Add(q.Time), through: q.After}
	s.page.Hits = []Hit{}
	return s, nil
}

// run searches windows of jobs, newest first, until the page is full. It returns why it stopped before.
//
// The newest jobs are read at once: a common word is found there, and one that is rare has cost little.
// What is older is looked up in the index, where that knows anything, for many jobs at a time.
func (s *searcher) run(ctx context.Context) (stopped string, err error) {
	if err := s.chooseTemplates(ctx); err != nil || s.none {
		return overLimit(err)
	}
	high, err := s.newest(ctx)
	if err != nil {
		return overLimit(err)
	}
	window, indexed := uint64(8), false
	for high > 0 {
		low := high - min(window, high) + 1 // included
		done, why, err := s.searchWindow(ctx, low, high, indexed)
		switch {
		case err != nil || done:
			return "", err
		case why != "" && window > 1 && s.Now().Before(s.ends):
			window = max(1, window/8)
			continue
		case why != "":
			return why, nil
		}
		s.through = Place{events.JobID(low), 1<<63 - 1}
		high = low - 1
		if indexed = s.indexed(); indexed {
			window = max(4096, window*8)
		} else {
			window = min(2*window, 256)
		}
	}
	return "", nil
}

// searchWindow searches jobs low to high; done says that the page is full.
func (s *searcher) searchWindow(ctx context.Context, low, high uint64, indexed bool) (done bool, why string, err error) {
	if !indexed {
		jobs, values := s.ofJobs()
		values = append(values, clickhouse.Named("low", low), clickhouse.Named("high", high))
		s.hasty = low < high
		lines, err := s.read(ctx, []string{"job >= {low:UInt64}", "job <= {high:UInt64}", jobs}, values)
		s.hasty = false
		if why, err = overLimit(err); err != nil {
			return false, "", err
		} else if why == "" {
			return s.take(lines), "", nil
		} else if low < high { // in smaller pieces, where there is time
			return false, why, nil
		}
	}
	places, err := s.places(ctx, low, high)
	if why, err = overLimit(err); why != "" || err != nil {
		return false, why, err
	}
	why, err = s.searchPlaces(ctx, places)
	return s.page.Next != "", why, err
}

// take adds lines to the page, and says whether it is full.
func (s *searcher) take(lines []Line) bool {
	for _, l := range lines {
		if len(s.page.Hits) > 0 && (len(s.page.Hits) == s.Limit || s.bytes+len(l.Message) > maxPageBytes) {
			last := s.page.Hits[len(s.page.Hits)-1]
			s.page.Next = Place{events.JobID(last.Job), last.Line.Line}.String()
			return true
		}
		s.bytes += len(l.Message)
		s.page.Hits = append(s.page.Hits, Hit{Line: l, Anchor: Place{events.JobID(l.Job), l.Line}.String()})
	}
	return false
}

// indexed says whether places come from an index.
func (s *searcher) indexed() bool { return s.ids != nil || len(s.plan.words) > 0 }

// newest returns the number of the newest job to search.
func (s *searcher) newest(ctx context.Context) (uint64, error) {
	if s.After.Job != 0 {
		return uint64(s.After.Job), nil
	}
	if len(s.Jobs) > 0 {
		newest := s.Jobs[0]
		for _, j := range s.Jobs {
			newest = max(newest, j)
		}
		return uint64(newest), nil
	}
	type last struct {
		Job uint64 `ch:"job"`
	}
	rows, err := within[last](ctx, s, "SELECT max(job) AS job FROM log_line_state")
	if err != nil {
		return 0, err
	}
	return rows[0].Job, nil
}

// addContext adds the lines around those that were found.
func (s *searcher) addContext(ctx context.Context) error {
	if s.Context == 0 || len(s.page.Hits) == 0 {
		return nil
	}
	var pairs []string
	for _, h := range s.page.Hits {
		for n := h.Line.Line - min(h.Line.Line, uint64(s.Context)); n <= h.Line.Line+uint64(s.Context); n++ {
			pairs = append(pairs, fmt.Sprintf("(%d,%d)", h.Job, n)) // numbers of ours
		}
	}
	around := map[Place]Line{}
	for start := 0; start < len(pairs); start += 2000 { // a parameter travels in a URL
		lines, err := s.db.lines(ctx, "WHERE (job, line) IN (SELECT arrayJoin({places:Array(Tuple(UInt64, UInt64))}) AS p)",
			clickhouse.Named("places", "["+strings.Join(pairs[start:min(start+2000, len(pairs))], ",")+"]"))
		if err != nil {
			return err
		}
		for _, l := range lines {
			around[Place{events.JobID(l.Job), l.Line}] = l
		}
	}
	for i := range s.page.Hits {
		h := &s.page.Hits[i]
		for n := h.Line.Line - min(h.Line.Line, uint64(s.Context)); n <= h.Line.Line+uint64(s.Context); n++ {
			l, there := around[Place{events.JobID(h.Job), n}]
			if there && n != h.Line.Line {
				s.bytes += len(l.Message)
			}
			switch {
			case !there || n == h.Line.Line || s.bytes > 2*maxPageBytes: // what is too much is left out
			case n < h.Line.Line:
				h.Before = append(h.Before, l)
			default:
				h.After = append(h.After, l)
			}
		}
	}
	return nil
}
