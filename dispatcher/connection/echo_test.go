package connection

import (
	"strings"
	"testing"

	"strata/events"
)

// reader is a loader's command line that loses the characters whose numbers are in LOST, empties its
// line at Ctrl-U, wraps its screen after every tenth character and tells which line it got.
const reader = `exec bash -c '
stty -icanon -echo; printf "iPXE> "; n=0; line=
while IFS= read -rN1 c; do
  case $c in
  $'"'\\025'"') line= ;;
  $'"'\\n'"') printf "\r\n[%s]\r\n" "$line"; line= ;;
  *) n=$((n + 1)); case " LOST " in *" $n "*) continue ;; esac
    line="$line$c"; printf "%s" "$c"; [ $((${#line} % 10)) != 0 ] || printf "\r\n" ;;
  esac
done'`

func TestSendEchoed(t *testing.T) {
	t.Parallel()
	const line = "kernel tftp://10.20.0.1/42/bzImage console=ttyS0"
	tests := []struct {
		name, lost string
		warnings   int
	}{
		{"all is taken", "", 0},
		{"one character is lost", "13", 1},
		// The line that is typed once more without asking for its echo is whole.
		{"something is lost each time", "3 20 30", 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, log := start(t, strings.ReplaceAll(reader, "LOST", tt.lost))
			ctx := within(t)
			expect(t, c, ctx, "iPXE>")
			if err := c.SendEchoed(ctx, line, 0); err != nil {
				t.Fatal(err)
			}
			if m := expect(t, c, ctx, `\[(.*?)\]`); m.Groups[0].Text != line {
				t.Errorf("the loader got %q, want %q", m.Groups[0].Text, line)
			}
			if got := log.texts(events.Warning); len(got) != tt.warnings {
				t.Errorf("warnings %q, want %d", got, tt.warnings)
			}
			for _, typed := range log.texts(events.Input) {
				if typed != line {
					t.Errorf("the log has %q as typed", typed)
				}
			}
		})
	}
}
