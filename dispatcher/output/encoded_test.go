package output

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"strata/events"
)

// small finds the digits that some libraries write small.
var small = regexp.MustCompile("%[0-9A-F]{2}")

// secrets are of each length modulo three, with and without signs that an encoding changes.
var secrets = []string{"hunter2x", "s3cr3t", "correct-horse", "p@ss w/rd&=?+%", "größe|<>\"'\\x", "AAAAAAAAA", "tok~en_1.2"}

func TestEncodedSecretsAreMasked(t *testing.T) {
	t.Parallel()
	for _, secret := range secrets {
		l, got := memory(0)
		l.Mask(secret)
		std, web := base64.StdEncoding, base64.URLEncoding
		forms := []string{
			url.QueryEscape(secret), url.PathEscape(secret), small.ReplaceAllStringFunc(url.QueryEscape(secret), strings.ToLower),
			strings.ReplaceAll(url.QueryEscape(secret), "+", "%20"), url.UserPassword("u", secret).String(),
		}
		var all strings.Builder
		for i := range len(secret) {
			fmt.Fprintf(&all, "%%%02x", secret[i])
		}
		forms = append(forms, all.String())
		for before := range 7 {
			for after := range 4 {
				text := []byte(strings.Repeat("u", before) + secret + strings.Repeat("v", after))
				forms = append(forms, std.EncodeToString(text), std.WithPadding(base64.NoPadding).EncodeToString(text), web.EncodeToString(text))
			}
		}
		for _, form := range forms {
			l.Text(events.Target, "", "see "+form+" there")
			var text string
			if err := json.Unmarshal((*got)[len(*got)-1].Message, &text); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(text, Masked) || !strings.HasPrefix(text, "see ") || !strings.HasSuffix(text, " there") {
				t.Errorf("%q as %s: logged as %s", secret, form, text)
			}
		}
	}
}

// What is not the secret stays: an encoding that is too short to be told from other text is none.
func TestShortSecretsMaskLittle(t *testing.T) {
	t.Parallel()
	l, got := memory(0)
	l.Mask("ab")
	const text = "YWI= and YWJj: base64 of two and three letters; %61 is one"
	l.Info(text)
	if s := string((*got)[0].Message); s != `"`+text+`"` {
		t.Errorf("logged as %s", s)
	}
}

// However a text is cut, no part of an encoded secret stands at either side of the cut.
func TestEncodedSecretsAcrossParts(t *testing.T) {
	t.Parallel()
	for _, secret := range secrets {
		basic := base64.StdEncoding.EncodeToString([]byte("user:" + secret))
		for _, form := range []string{secret, url.QueryEscape(secret), basic} {
			line := strings.Repeat("x", 40) + form + strings.Repeat("y", 40)
			for at := range len(line) {
				l, got := memory(0)
				l.Mask(secret)
				rest := l.Part(events.Target, "", line[:at])
				l.Text(events.Target, "", rest+line[at:])
				var whole string
				for _, r := range *got {
					var text string
					if err := json.Unmarshal(r.Message, &text); err != nil {
						t.Fatal(err)
					}
					whole += text
				}
				if strings.Count(whole, Masked) != 1 || strings.Contains(whole, form) {
					t.Fatalf("%s cut at %d: logged as %s", form, at, whole)
				}
			}
		}
	}
}

func FuzzMask(f *testing.F) {
	for _, secret := range secrets {
		f.Add(secret, "see ", 2)
	}
	f.Fuzz(func(t *testing.T, secret, before string, at int) {
		if len(secret) < 6 || len(secret) > 100 || len(before) > 100 || strings.Contains(Masked, secret) {
			t.Skip()
		}
		l, _ := memory(0)
		l.Mask(secret)
		for _, text := range []string{before + secret, base64.StdEncoding.EncodeToString([]byte(before + secret)), url.QueryEscape(before + secret)} {
			if !strings.Contains(l.Hide(text), Masked) {
				t.Errorf("%q in %q: nothing is masked", secret, text)
			}
			if cut := l.safeCut(text[:min(max(at, 0), len(text))]); cut < 0 || cut > len(text) {
				t.Errorf("cut at %d of %d", cut, len(text))
			}
		}
	})
}
