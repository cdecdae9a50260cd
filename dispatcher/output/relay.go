package output

import (
	"time"

	"strata/events"
)

// Relay logs what another dispatcher has logged, at its time: a text, or a value of JSON's kinds (Fields for
// a mapping whose order matters). It is masked and cut as our own words are. It returns how many records
// the text became.
func (l *Logger) Relay(at time.Time, level events.Level, namespace string, message any) (records uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.next
	at = at.UTC().Truncate(time.Microsecond)
	text, ok := message.(string)
	if !ok {
		var body = encode(nil)
		if f, is := message.(Fields); is {
			message = l.maskFields(f)
			if body = fit(message); len(body) > maxResult {
				body = encode(essence(f))
			}
		} else if body = fit(l.maskValue(message)); len(body) > maxResult {
			text, ok = l.mask(string(encode(message))), true // a list without end: its text, cut
		}
		if !ok {
			l.putAt(events.Record{Level: level, Namespace: namespace, Message: body}, at)
			return l.next - before
		}
	} else {
		text = l.mask(text)
	}
	l.textAt(level, namespace, text, false, at)
	return l.next - before
}
