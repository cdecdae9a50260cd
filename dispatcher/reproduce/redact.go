package reproduce

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"strata/schemas/yaml"
)

// Redactor takes secrets out of texts: the values of the job's `secrets`, what a key like password or
// token has, and passwords in URLs and on command lines.
type Redactor struct {
	values []string // longest first, so that no part of one stays
	// Count is how many values were taken out, by the name of the text.
	Count map[string]int
}

const taken = "(secret)"

var (
	// Not a mapping, a list, or a reference to one: those have keys of their own.
	secretKey = regexp.MustCompile(`(?i)((?:^|[\s{,"'])[\w.-]*(?:token|passw|secret|credential|apikey|api[_-]key|authorization)[\w-]*["']?[ \t]*:[ \t]+)("(?:[^"\\]|\\.)+"|'(?:[^']|'')+'|[^\s{}\[\]|>&*,"'#(][^\n,}\]]*)`)
	userInfo  = regexp.MustCompile(`(://[^/\s:@'"]*:)[^/\s@'"]+@`)
	option    = regexp.MustCompile(`(?i)(--?(?:password|passwd|token|secret)[= ])("[^"]*"|'[^']*'|[^\s'",\]]+)`)
	ipmi      = regexp.MustCompile(`(ipmi\S*\b[^\n]*? -P ?)([^\s'",\]]+)`)
)

// NewRedactor returns one that knows the secrets of a job definition.
func NewRedactor(definition []byte) (*Redactor, error) {
	root, err := yaml.Parse(definition)
	if err != nil {
		return nil, fmt.Errorf("read definition: %w", err)
	}
	r := &Redactor{Count: map[string]int{}}
	if secrets := root.Get("secrets"); secrets.Is(yaml.Map) {
		for _, p := range secrets.Pairs {
			if value := p.Value.Print(); len(value) > 1 { // one letter is everywhere
				r.values = append(r.values, value)
			}
		}
	}
	r.sort()
	return r, nil
}

// YAML takes the secrets out of a configuration, which stays readable; an error says that it did not.
func (r *Redactor) YAML(name, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	out := r.Line(name, text)
	for _, pattern := range []*regexp.Regexp{secretKey, option, ipmi} {
		out = pattern.ReplaceAllStringFunc(out, func(found string) string {
			m := pattern.FindStringSubmatch(found)
			if strings.Trim(m[2], `"' `) == taken {
				return found
			}
			r.Count[name]++
			r.learn(strings.Trim(m[2], `"' `))
			quote := ""
			if m[2][0] == '"' || m[2][0] == '\'' {
				quote = m[2][:1]
			}
			return m[1] + quote + taken + quote
		})
	}
	if _, err := yaml.Parse([]byte(out)); err != nil {
		return "", fmt.Errorf("take the secrets out of %s: %w", name, err)
	}
	return out, nil
}

// learn has a value taken out of all that comes later: the log shows the commands that had it. Short ones
// are words that stand anywhere.
func (r *Redactor) learn(value string) {
	if len(value) >= 5 && !slices.Contains(r.values, value) {
		r.values = append(r.values, value)
		r.sort()
	}
}

func (r *Redactor) sort() {
	slices.SortFunc(r.values, func(a, b string) int { return len(b) - len(a) })
}

// Line takes the job's own secrets, the values that YAML took out before, and passwords of URLs out of any
// text.
func (r *Redactor) Line(name, text string) string {
	for _, value := range r.values {
		if n := strings.Count(text, value); n > 0 {
			r.Count[name] += n
			text = strings.ReplaceAll(text, value, taken)
		}
	}
	return userInfo.ReplaceAllStringFunc(text, func(found string) string {
		if strings.Contains(found, taken) || strings.Contains(found, "[MASKED]") {
			return found
		}
		r.Count[name]++
		return userInfo.ReplaceAllString(found, "${1}"+taken+"@")
	})
}
