package order_test

import (
	"strings"
	"testing"

	"strata/schemas/order"
)

func TestDecodeInput(t *testing.T) {
	for text, want := range map[string]string{
		`{"version":1,"do":"type","session":"s","user":"alice","text":"ls\r"}`: "",
		`{"version":1,"do":"shout","session":"s","user":"alice"}`:              "want take, type, keep or give",
		`{"version":1,"do":"take","user":"alice"}`:                             "want both",
		`{"version":1,"do":"take","session":"s"}`:                              "want both",
		`{"version":999,"do":"take","session":"s","user":"alice"}`:             "version is 999",
		`[]`: "read what is typed",
	} {
		_, err := order.DecodeInput([]byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
