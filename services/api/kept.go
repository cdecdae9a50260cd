package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"strata/events/lab"
	"strata/events/stream"
)

// A question of the tables costs a core 10 to 70 ms, most of which the engine takes to plan it, however few rows there
// are. Pages that follow the lab ask the same ones again at each fact, for everybody who looks. So an answer is kept, and
// holds until the next fact, or the next result, is recorded: the tables are made of nothing else. Who asks while the same
// is being asked waits for that.
//
// An answer is kept for one caller. Rights are facts too, so that one whose rights have changed is answered anew.

// Bounds of what is kept.
const (
	keptTime    = time.Minute // tables are purged, and made anew, without a fact that tells of it
	keptRoom    = 16 << 20    // bytes of all answers
	keptLargest = 1 << 20     // bytes of one
	keptBeside  = 256         // bytes that one takes beside its own: a question that names the hour is another each second
)

// readsTables says of a verb that its answer follows from facts alone, or (true) from facts and results.
// A verb that reads the clock, a stream's end or what the process remembers must not be in it: the
// same question at the same standing has to have the same answer.
func readsTables(verb string) (results, yes bool) {
	switch verb {
	case "jobs.find":
		return false, true
	case "queries.custom", "queries.run", "cases.history", "charts.data", "charts.custom":
		return true, true
	}
	return false, false
}

// standing is how far the streams had come when an answer was made. Results are 0 where it has none of them in it.
// Equal standings mean equal tables, as soon as these have read as far.
type standing struct{ lab, results uint64 }

// answers are those that are kept.
// mu is never held while an answer is made.
type answers struct {
	mu      sync.Mutex
	entries map[[sha256.Size]byte]keptAnswer
	order   [][sha256.Size]byte // as they first came
	bytes   int
	making  map[[sha256.Size]byte]*making
	tables  map[string]reached // by stream
}

// keptAnswer is an answer with what it holds good for.
type keptAnswer struct {
	body []byte // must not be changed
	of   standing
	made time.Time
}

// making is an answer that somebody waits for.
type making struct {
	of   standing
	done chan struct{} // closed when the two below are there
	body []byte
	err  error
}

// reached is how far the tables are with a stream, and when they said so.
type reached struct {
	seq uint64
	at  time.Time
}

func newAnswers() *answers {
	return &answers{entries: map[[sha256.Size]byte]keptAnswer{}, making: map[[sha256.Size]byte]*making{}, tables: map[string]reached{}}
}

// again returns an answer that is kept, or makes it and keeps it. The question is named by its verb and body; results says
// whether they are in it.
// A body that comes back is shared: nobody may change it. Errors are never kept. answer runs on the
// goroutine of the first who asks and ends with that one's ctx, so those who wait then ask
// themselves.
func (a *api) again(ctx context.Context, who caller, verb string, body []byte, results bool, answer func() ([]byte, error)) ([]byte, error) {
	var now standing
	// What this process has recorded is in the state before the log brings it: whoever wrote it must find it.
	a.read(func(s *lab.State) { now.lab = max(s.Through(), a.ownLast) })
	if results {
		var err error
		if now.results, err = a.log.Last(ctx, stream.Results); err != nil {
			return answer() // which says why
		}
	}
	// Scopes narrow what a token's user may see, so they are part of who asks; the token itself is
	// not, and two programs of one user share.
	key := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %s", who.user, who.scopes, verb, body))
	k := a.answers
	k.mu.Lock()
	if e, ok := k.entries[key]; ok && e.of == now && a.now().Sub(e.made) < keptTime {
		k.mu.Unlock()
		return e.body, nil
	}
	if m := k.making[key]; m != nil && m.of == now {
		k.mu.Unlock()
		select {
		case <-m.done:
			if m.err == nil {
				return m.body, nil
			}
			return answer() // that other caller may have gone away
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	// It replaces one that is under way for an older standing; who waits for that still gets it.
	m := &making{of: now, done: make(chan struct{}), err: context.Canceled} // where answer panics
	k.making[key] = m
	k.mu.Unlock()
	defer k.made(key, m)
	made := a.now() // before the tables were read
	m.body, m.err = answer()
	// What is in it beside the fold has to be whole: tables that were behind would be believed for a minute.
	if m.err == nil && (!results || k.whole(now)) {
		k.put(key, keptAnswer{m.body, now, made})
	}
	return m.body, m.err
}

// made tells those who wait.
func (k *answers) made(key [sha256.Size]byte, m *making) {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(m.done)
	if k.making[key] == m {
		delete(k.making, key)
	}
}

// put keeps an answer. The oldest goes when there is no more room.
func (k *answers) put(key [sha256.Size]byte, e keptAnswer) {
	// A few large exports would push out what a hundred pages ask for.
	if len(e.body) > keptLargest {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	old, known := k.entries[key]
	if !known {
		k.order = append(k.order, key)
	}
	k.bytes += len(e.body) - len(old.body)
	if !known {
		k.bytes += keptBeside
	}
	k.entries[key] = e
	for k.bytes > keptRoom {
		oldest := k.order[0]
		k.order = k.order[1:]
		k.bytes -= len(k.entries[oldest].body) + keptBeside
		delete(k.entries, oldest)
	}
}

// whole says that the tables are known to have all facts and results up to a standing.
// It knows what was read by position, so whatever makes an answer has to have asked that:
// tablesCatchUp, resultsCatchUp and learnPositions do.
func (k *answers) whole(s standing) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.tables[stream.Lab].seq >= s.lab && k.tables[stream.Results].seq >= s.results
}

// position returns how far the tables are with a stream. Where they are known to have as much as is wanted they are not
// asked again: they only grow.
// A question to the tables for each of a page's parts would cost as much as the part.
func (a *api) position(ctx context.Context, name string, want uint64) (uint64, error) {
	k := a.answers
	k.mu.Lock()
	known := k.tables[name]
	k.mu.Unlock()
	if known.seq >= want && a.now().Sub(known.at) < keptTime {
		return known.seq, nil
	}
	now := a.now()
	seq, err := a.history.DB.Position(ctx, name)
	if err != nil {
		return 0, err
	}
	k.mu.Lock()
	k.tables[name] = reached{seq, now}
	k.mu.Unlock()
	return seq, nil
}

// answered is the answer to a verb, as JSON; that of the tables may have been kept.
// Rights were checked by admit; what the verb shows to whom it decides itself, which is why answers
// are kept for each user.
func (a *api) answered(ctx context.Context, who caller, verb string, handle handler, body []byte) ([]byte, error) {
	answer := func() ([]byte, error) {
		out, err := handle(a, ctx, who, body)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(out)
		if err != nil {
			return nil, fmt.Errorf("encode reply to %s: %w", verb, err)
		}
		return text, nil
	}
	if results, yes := readsTables(verb); yes && a.history.DB != nil {
		return a.again(ctx, who, verb, body, results, answer)
	}
	return answer()
}

// keptRead is how many bytes of an answer to SQL are held before the first of them is sent. Any user may ask for an
// answer of gigabytes.
// Between the two bounds an answer is shared by who asks at the same time, and not kept.
const keptRead = 4 * keptLargest

// errLong says that an answer has more bytes than are held.
var errLong = errors.New("the answer is too long to be held")

// keptSQL is the answer to a query, which may have been kept. One that is longer than [keptRead] comes as its beginning
// and a reader of the rest, which the caller closes; rest is nil of all others.
func (a *api) keptSQL(ctx context.Context, who caller, question []byte, ask func(context.Context) (io.ReadCloser, error)) (text []byte, rest io.ReadCloser, err error) {
	var begun []byte
	text, err = a.again(ctx, who, "sql", question, true, func() ([]byte, error) {
		a.learnPositions(ctx)
		answer, err := ask(ctx)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(io.LimitReader(answer, keptRead))
		if err == nil && len(text) == keptRead {
			begun, rest = text, answer
			return nil, errLong // nobody else can have it: they ask for themselves
		}
		if err = errors.Join(err, answer.Close()); err != nil {
			return nil, sqlError(err)
		}
		return text, nil
	})
	if errors.Is(err, errLong) {
		return begun, rest, nil
	}
	return text, nil, err
}

// learnPositions finds out how far the tables are, without waiting for them: only an answer of all there is can be kept.
// Where that fails the answer is given all the same, and not kept.
func (a *api) learnPositions(ctx context.Context) {
	var through uint64
	a.read(func(s *lab.State) { through = s.Through() })
	last, err := a.log.Last(ctx, stream.Results)
	if err == nil {
		_, err = a.position(ctx, stream.Results, last)
	}
	if err == nil {
		_, _ = a.position(ctx, stream.Lab, through) // tables that are away say so to the query
	}
}
