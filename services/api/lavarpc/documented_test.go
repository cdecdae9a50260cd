package lavarpc

import (
	"strings"
	"testing"
)

func TestMethodsAreDocumented(t *testing.T) {
	t.Parallel()
	all := Methods()
	if len(all) < 130 {
		t.Fatalf("%d methods are documented, want all", len(all))
	}
	for i, m := range all {
		if i > 0 && all[i-1].Name >= m.Name {
			t.Errorf("%s stands behind %s", m.Name, all[i-1].Name)
		}
		if !strings.HasPrefix(m.Signature, "(") || !strings.HasSuffix(m.Signature, ")") || len(m.Text) < 10 {
			t.Errorf("method %s has signature %q and text %q", m.Name, m.Signature, m.Text)
		}
	}
}
