package projections

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// A line is kept in two parts: its template, which is what the program that printed it has in its
// source, and its variables, which is what changes from boot to boot. Templates are mined by rules
// that look at one line alone, so the same line has the same template in every lab, on every day:
//
//   - A word is a run of letters and digits, where every rune beyond ASCII is a letter. A word with an
//     ASCII digit in it is variable; one without never is.
//   - Variable words that one of . : - / , + @ # _ joins are one variable: 10.0.2.15/24,
//     0000:00:1f.2, 0x5b/0x2d0, 2026-11-23, x86_64.
//   - The kernel's time stamp at the head of a line, "[    4.048702]", is a number of its own, and no
//     part of either.
//   - Terminal sequences (ESC [ … letter) belong to the template, whatever is in them.
//
// That words without a digit stand in templates alone, and words with one in variables alone, is what
// the search is built on. What is masked is generous on purpose: eth0 and eth1, ext3 and ext4 are of
// one template, as their numbers may change with the order of probing.
const (
	hole      = '\x11' // stands in a template for a variable
	separator = '\x12' // stands between variables
	// rawTemplate is that of a line that has one of the two bytes above in it, or too many variables:
	// the variables are then the line itself.
	rawTemplate = "\x12"
	noStamp     = -1 // of a line without the kernel's time
)

// maxVariables is how many variables a template has at most: beyond that a line is a dump of data.
const maxVariables = 400

// mined is a line taken apart. Its slices are valid until the next line is.
type mined struct {
	stamp     int64 // microseconds of the kernel's clock; noStamp without
	template  []byte
	variables []byte
}

// mine takes a line apart.
func (m *mined) mine(line string) {
	m.template, m.variables, m.stamp = m.template[:0], m.variables[:0], noStamp
	whole := line
	if stamp, n := cutStamp(line); n > 0 {
		m.stamp, line = stamp, line[n:]
	}
	count := 0
	for i := 0; i < len(line); {
		switch kind := byteKinds[line[i]]; {
		case kind == inWord:
			end, digit := wordEnd(line, i)
			if !digit {
				m.template = append(m.template, line[i:end]...)
				i = end
				continue
			}
			end = runEnd(line, end)
			if count++; count > 1 {
				m.variables = append(m.variables, separator)
			}
			m.template, m.variables = append(m.template, hole), append(m.variables, line[i:end]...)
			i = end
		case line[i] == hole, line[i] == separator, count >= maxVariables:
			m.raw(whole)
			return
		case line[i] == '\x1b':
			end := escapeEnd(line, i)
			m.template = append(m.template, line[i:end]...)
			i = end
		default:
			m.template = append(m.template, line[i])
			i++
		}
	}
}

// raw keeps a line as it is.
func (m *mined) raw(line string) {
	m.stamp = noStamp
	m.template, m.variables = append(m.template[:0], rawTemplate...), append(m.variables[:0], line...)
}

// join puts a line together again.
func join(stamp int64, template, variables string) string {
	if template == rawTemplate {
		return variables
	}
	out := make([]byte, 0, len("[    0.000000]")+len(template)+len(variables))
	if stamp != noStamp {
		out = appendStamp(out, stamp)
	}
	for {
		text, rest, more := strings.Cut(template, string(rune(hole)))
		if out = append(out, text...); !more {
			return string(out)
		}
		var value string
		value, variables, _ = strings.Cut(variables, string(rune(separator)))
		out, template = append(out, value...), rest
	}
}

// Kinds of bytes.
const (
	other  = iota
	inWord // letters, digits, and all of a rune beyond ASCII
	joiner // joins variable words
)

// byteKinds are the kinds of all bytes.
var byteKinds = func() (kinds [256]uint8) {
	for b := range kinds {
		switch {
		case b >= utf8.RuneSelf, b >= '0' && b <= '9', b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z':
			kinds[b] = inWord
		}
	}
	for _, b := range ".:-/,+@#_" {
		kinds[b] = joiner
	}
	return kinds
}()

// wordEnd returns where the word at i ends, and whether a digit is in it.
func wordEnd(line string, i int) (end int, digit bool) {
	for ; i < len(line) && byteKinds[line[i]] == inWord; i++ {
		digit = digit || line[i] >= '0' && line[i] <= '9'
	}
	return i, digit
}

// runEnd returns where a variable ends whose first word ends at end.
func runEnd(line string, end int) int {
	for end+1 < len(line) && byteKinds[line[end]] == joiner && byteKinds[line[end+1]] == inWord {
		next, digit := wordEnd(line, end+1)
		if !digit {
			break
		}
		end = next
	}
	return end
}

// escapeEnd returns where the terminal sequence at i ends: behind its letter, or behind ESC where it
// is none (ECMA-48, control sequences).
func escapeEnd(line string, i int) int {
	if i+1 >= len(line) || line[i+1] != '[' {
		return i + 1
	}
	for end := i + 2; end < len(line); end++ {
		switch b := line[end]; {
		case b >= 0x40 && b <= 0x7e:
			return end + 1
		case b < 0x20 || b > 0x3f:
			return i + 1
		}
	}
	return i + 1
}

// cutStamp reads the kernel's time stamp at the head of a line, "[%5d.%06d]" of printk, and returns
// its microseconds and its length; 0 where there is none that would be written so again.
func cutStamp(line string) (stamp int64, n int) {
	if len(line) < len("[    0.000000]") || line[0] != '[' {
		return 0, 0
	}
	i := 1
	for i < 5 && line[i] == ' ' {
		i++
	}
	pad, seconds := i-1, 0
	for ; i < len(line) && line[i] >= '0' && line[i] <= '9' && seconds < 1e10; i++ {
		seconds = 10*seconds + int(line[i]-'0')
	}
	digits := i - 1 - pad
	switch {
	case digits == 0, pad+digits != max(5, digits), digits > 1 && line[1+pad] == '0', i+8 > len(line), line[i] != '.', line[i+7] != ']':
		return 0, 0
	}
	micros := 0
	for _, b := range []byte(line[i+1 : i+7]) {
		if b < '0' || b > '9' {
			return 0, 0
		}
		micros = 10*micros + int(b-'0')
	}
	return int64(seconds)*1e6 + int64(micros), i + 8
}

// appendStamp writes a time stamp as printk does.
func appendStamp(out []byte, stamp int64) []byte {
	seconds := strconv.FormatInt(stamp/1e6, 10)
	out = append(out, '[')
	for range 5 - len(seconds) {
		out = append(out, ' ')
	}
	out = append(append(out, seconds...), '.')
	micros := strconv.FormatInt(1e6+stamp%1e6, 10)
	return append(append(out, micros[1:]...), ']')
}

// variableWords calls each with every word of variables.
func variableWords(variables string, each func(word string)) {
	for i := 0; i < len(variables); {
		if byteKinds[variables[i]] != inWord {
			i++
			continue
		}
		end, _ := wordEnd(variables, i)
		each(variables[i:end])
		i = end
	}
}

// templateID names a template: FNV-1a of its text, 64 bits.
func templateID(template []byte) uint64 {
	id := uint64(14695981039346656037)
	for _, b := range template {
		id = (id ^ uint64(b)) * 1099511628211
	}
	return id
}
