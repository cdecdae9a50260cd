package web

import (
	"fmt"
	"html/template"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"strata/projections"
)

// moment draws a time relative to now, with the exact one as its title; static/base.js keeps it true.
// RFC 3339 in datetime is what scripts read; people who hover or have a screen reader get the exact time from the title.
func moment(now time.Time, at any) template.HTML {
	t, ok := timeOf(at)
	if !ok {
		return `<span class="none">–</span>`
	}
	exact := t.UTC().Format("2006-01-02 15:04:05 UTC")
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, t.UTC().Format(time.RFC3339Nano), exact, template.HTMLEscapeString(ago(now, t))))
}

// stamp is a time as sentences of the lab's interface have it.
// Whole seconds and Z: the api writes times in sentences that way and no other.
var stamp = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// sentence draws a sentence that names times: of today by the hour, with the exact ones as titles.
// The text is escaped first and the stamps are looked for in that: nothing in a stamp is changed by escaping.
func sentence(now time.Time, text string) template.HTML {
	return template.HTML(stamp.ReplaceAllStringFunc(template.HTMLEscapeString(text), func(one string) string {
		t, err := time.Parse(time.RFC3339, one)
		if err != nil {
			return one // such as the 30th of February
		}
		shape := "2 Jan 2006 15:04 UTC"
		if t.Format(time.DateOnly) == now.UTC().Format(time.DateOnly) {
			shape = "15:04 UTC"
		}
		return `<span title="` + one + `">` + t.Format(shape) + `</span>`
	}))
}

// linked draws a sentence about a job with a link to it: where the sentence names it, as [41], or else behind it.
// Sentences of the lab name a job in brackets where it is a part of them; others have none, and the job is told beside them.
func linked(text string, job uint64) template.HTML {
	safe := template.HTMLEscapeString(text)
	if job == 0 {
		return template.HTML(safe)
	}
	link := fmt.Sprintf(`<a class="id" href="/scheduler/job/%d">%d</a>`, job, job)
	name := fmt.Sprintf("[%d]", job)
	if strings.Contains(safe, name) {
		return template.HTML(strings.Replace(safe, name, link, 1))
	}
	return template.HTML(safe + " " + link)
}

// timeOf takes what holds times: a time, a pointer to one, or nothing.
func timeOf(at any) (time.Time, bool) {
	switch t := at.(type) {
	case time.Time:
		return t, !t.IsZero()
	case *time.Time:
		if t != nil {
			return *t, !t.IsZero()
		}
	}
	return time.Time{}, false
}

// ago says a time relative to now: "3 min ago", "in 2 h".
// From -1 s to 10 s it is "just now": clocks of the lab's machines differ by about so much, and nothing is "in 0 s".
// static/base.js has the same words, and takes over a second after the page was drawn; where the two differ, texts would jump.
func ago(now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case d < -time.Hour: // what is to come is rounded: two hours less a minute are not one
		return "in " + coarse(-d+30*time.Minute)
	case d < -time.Second:
		return "in " + coarse(-d)
	case d < 10*time.Second:
		return "just now"
	}
	return coarse(d) + " ago"
}

// coarse is a duration with one unit.
// It rounds down, and changes unit where the smaller one stops being useful: 47 h, then 2 days; 59 days, then 2 months.
func coarse(d time.Duration) string {
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d/time.Second)) + " s"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + " h"
	// From 48 h on: no unit below here ever counts one, so none needs a singular. Months are of 30 days and years of 365.
	case d < 60*24*time.Hour:
		return strconv.Itoa(int(d/(24*time.Hour))) + " days"
	case d < 730*24*time.Hour:
		return strconv.Itoa(int(d/(30*24*time.Hour))) + " months"
	}
	return strconv.Itoa(int(d/(365*24*time.Hour))) + " years"
}

// length draws a duration with two units at most: "1 h 4 min", "12.3 s", "240 ms".
// Durations below 0, which clocks that differ make, are 0.
func length(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Second:
		return strconv.Itoa(int(d/time.Millisecond)) + " ms"
	case d < 9950*time.Millisecond: // from there on one digit behind the point would say 10.0
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	// What is rounded may fill its unit: 59.6 s is a minute, and never 60 s.
	case d.Round(time.Second) < time.Minute:
		return strconv.Itoa(int(d.Round(time.Second)/time.Second)) + " s"
	case d.Round(time.Second) < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%d min %02d s", d/time.Minute, d%time.Minute/time.Second)
	case d.Round(time.Minute) < 48*time.Hour:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%d h %02d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	d = d.Round(time.Hour)
	return fmt.Sprintf("%d days %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// elapsed draws the time between two moments; the second may be missing, it is now then.
// What goes on has data-since, by which static/base.js counts on; what is over stands still.
func elapsed(now time.Time, from, to any) template.HTML {
	a, ok := timeOf(from)
	if !ok {
		return `<span class="none">–</span>`
	}
	b, over := timeOf(to)
	if !over {
		return template.HTML(fmt.Sprintf(`<span data-since="%s">%s</span>`, a.UTC().Format(time.RFC3339Nano), length(now.Sub(a))))
	}
	return template.HTML(length(b.Sub(a)))
}

// count is a number as people read it: 12,345.
// English groups of three, which the pages' language (lang="en") asks for; no grouping behind a point, as these are whole.
func count(n any) string {
	var text string
	switch v := n.(type) {
	case int:
		text = strconv.Itoa(v)
	case int64:
		text = strconv.FormatInt(v, 10)
	case uint64:
		text = strconv.FormatUint(v, 10)
	default:
		text = fmt.Sprint(n)
	}
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// figure is a measured number as people read it: without an exponent where it has a size that people meet, which Go's own
// way gives up from a million on. A pointer may be nil; then it is "".
// Any other type is printed as it is.
func figure(n any) string {
	var v float64
	switch x := n.(type) {
	case float64:
		v = x
	case *float64:
		if x == nil {
			return ""
		}
		v = *x
	default:
		return fmt.Sprint(n)
	}
	if size := math.Abs(v); size != 0 && (size < 1e-6 || size >= 1e15) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// plural is a number with its noun: "1 job", "12 jobs", "3 deliveries".
// The nouns are ours, so this knows the few that occur and no more English.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok && !strings.HasSuffix(stem, "a") { // days stay days
		return count(n) + " " + stem + "ies"
	}
	return count(n) + " " + noun + "s"
}

// bytesOf is a size: "12 KiB".
// Binary units, as file systems and LAVA's limits count; templates hand over any kind of number.
func bytesOf(n any) string {
	size, err := strconv.ParseFloat(fmt.Sprint(n), 64)
	if err != nil {
		return fmt.Sprint(n)
	}
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		// What is rounded may fill its unit: 1023.6 KiB are 1.0 MiB, and never 1024 KiB.
		if size < 1023.5 || unit == "GiB" {
			if size < 9.95 && unit != "B" {
				return strconv.FormatFloat(size, 'f', 1, 64) + " " + unit
			}
			return strconv.FormatFloat(size, 'f', 0, 64) + " " + unit
		}
		size /= 1024
	}
	return ""
}

// sequence returns 0 … n-1, for templates that repeat something.
func sequence(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// firstLine is the first line of a text.
// Errors of dispatchers may go on for a page; lists have room for a line.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// mark draws a word with its tone: the one place where pages have colour.
// Colour alone says nothing: the word stands in it (WCAG 1.4.1), and the tones of base.css keep a contrast of 4.5:1 in light
// and dark (1.4.3), which the browser tests examine. Tone is one of ours and never what somebody wrote.
func mark(tone, word string) template.HTML {
	return template.HTML(`<span class="mark ` + tone + `">` + template.HTMLEscapeString(word) + `</span>`)
}

// marked draws a line with what was found in it. The pieces were written by devices and by people: each is escaped by itself, as
// a tag may begin in one and end in the next.
func marked(pieces []projections.Piece) template.HTML {
	var b strings.Builder
	for _, p := range pieces {
		if text := template.HTMLEscapeString(p.Text); p.Hit {
			b.WriteString("<mark>" + text + "</mark>")
		} else {
			b.WriteString(text)
		}
	}
	return template.HTML(b.String())
}

// stateOf draws how a job stands: its state, or once it is over its health.
// LAVA's lists have one column for both, which is why an ended job shows its health. A word without a tone stays grey.
func stateOf(state, health any) template.HTML {
	s, h := fmt.Sprint(state), fmt.Sprint(health)
	if s == "Finished" && h != "" && h != "Unknown" {
		return mark(map[string]string{"Complete": "good", "Incomplete": "bad", "Canceled": "off"}[h], h)
	}
	return mark(map[string]string{"Running": "busy", "Canceling": "warn", "Scheduled": "busy", "Scheduling": "busy", "Rejected": "bad"}[s], s)
}

// healthOf draws the health of a device or a worker, or the state of one.
// One table serves devices and workers, their health and their state: the words do not overlap.
func healthOf(word any) template.HTML {
	w := fmt.Sprint(word)
	tone := map[string]string{"Good": "good", "Active": "good", "Online": "good", "Bad": "bad", "Offline": "bad", "Maintenance": "warn",
		"Looping": "busy", "Running": "busy", "Reserved": "busy", "Retired": "off"}[w]
	return mark(tone, w)
}

// outcomeOf draws the result of a test case.
// unknown warns and is no failure: nobody said how the case ended.
func outcomeOf(word any) template.HTML {
	w := fmt.Sprint(word)
	return mark(map[string]string{"pass": "good", "fail": "bad", "skip": "off", "unknown": "warn"}[w], w)
}

// verdictOf draws who has to act.
// The words are of [events.Verdict]; an empty one, of a job that is not judged, draws nothing.
func verdictOf(word any) template.HTML {
	switch fmt.Sprint(word) {
	case "pass":
		return mark("good", "Passed")
	case "test":
		return mark("bad", "Failed: the job's own fault")
	case "infra":
		return mark("warn", "Failed: the lab's fault")
	case "canceled":
		return mark("off", "Canceled")
	}
	return ""
}

// priorityOf is a priority with LAVA's words for the usual ones.
// 0, 50 and 100 are what LAVA makes of low, medium and high; any number between may be asked for.
func priorityOf(n int) string {
	if word := map[int]string{0: "low", 50: "medium", 100: "high"}[n]; word != "" {
		return word
	}
	return strconv.Itoa(n)
}
