package output

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// written returns the forms in which programs write a secret: as it is, quoted for Python, Go, JSON
// and a shell, in URLs and in base64. One form may be there twice.
func written(secret string) []string {
	escaped := strings.ReplaceAll(secret, `\`, `\\`)
	forms := []string{secret,
		escaped, strings.ReplaceAll(escaped, `'`, `\'`), strings.ReplaceAll(escaped, `"`, `\"`),
		strings.ReplaceAll(secret, `'`, `'\''`), strings.ReplaceAll(secret, `'`, `'"'"'`),
	}
	if plain, err := json.Marshal(secret); err == nil { // which writes <, > and & as \u003c and so on
		forms = append(forms, string(plain[1:len(plain)-1]))
	}
	return append(append(forms, inURLs(secret)...), inBase64(secret)...)
}

// inURLs returns the percent encodings of a secret. Which characters stay as they are differs from
// place to place in a URL, and from library to library.
func inURLs(secret string) (forms []string) {
	for _, unescaped := range []string{
		"-_.~",                   // RFC 3986, unreserved: Python's quote_plus, Go's QueryEscape
		"-_.~/",                  // Python's quote
		"-_.!~*'()",              // JavaScript's encodeURIComponent
		"-_.~$&+:=@",             // Go's PathEscape
		"-_.~$&+,;=",             // user and password before a host
		"-_.!~*'();/?:@&=+$,#[]", // encodeURI, and curl's URLs
		"",                       // none of the signs
		"\x00",                   // nothing at all, not even letters
	} {
		for _, digits := range []string{"%%%02X", "%%%02x"} {
			form := percent(secret, unescaped, digits)
			forms = append(forms, form, strings.ReplaceAll(form, "%20", "+"))
		}
	}
	return forms
}

func percent(secret, unescaped, digits string) string {
	var b strings.Builder
	for i := range len(secret) {
		c := secret[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if letter && unescaped != "\x00" || strings.IndexByte(unescaped, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, digits, c)
		}
	}
	return b.String()
}

// leastBase64 is how many characters of base64 are looked for at least: fewer stand in any text.
const leastBase64 = 4

// inBase64 returns the base64 of a secret alone, and what every base64 of a text that holds the secret
// has in common: three bytes make four characters, so there are three ways for the secret to lie, and
// the characters at both ends depend on its neighbours too. Those are not part of the form.
func inBase64(secret string) (forms []string) {
	for _, alphabet := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		if len(secret) >= leastBase64 {
			forms = append(forms, alphabet.EncodeToString([]byte(secret)), alphabet.WithPadding(base64.NoPadding).EncodeToString([]byte(secret)))
		}
		for before := range 3 {
			text := alphabet.EncodeToString(append(make([]byte, before), secret...))
			from := (before*8 + 5) / 6              // the first character that is of the secret only
			until := (before + len(secret)) * 8 / 6 // behind the last one
			if until-from >= leastBase64 {
				forms = append(forms, text[from:until])
			}
		}
	}
	return forms
}
