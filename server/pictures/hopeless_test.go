package pictures

import (
	"fmt"
	"testing"
	"time"
)

// Whoever sends any number of pictures that fail does not make others' failures be
// tried again.
func TestNewFailuresDoNotMakeThoseForgottenThatAreAskedFor(t *testing.T) {
	var h hopeless
	asked := version{1, time.Unix(1, 0)}
	h.add("asked for", asked)
	h.add("never again", asked)
	for n := range 3 * mostHopeless {
		h.add(fmt.Sprint(n), version{2, time.Unix(int64(n), 0)})
		if n%1000 == 0 && !h.has("asked for", asked) {
			t.Fatalf("it is forgotten after %d others", n)
		}
	}
	if h.has("never again", asked) || len(h.young)+len(h.old) > mostHopeless {
		t.Errorf("%d are remembered", len(h.young)+len(h.old))
	}
	if changed := (version{3, asked.at}); h.has("asked for", changed) {
		t.Error("a file that was changed is the same picture")
	}
	h.add("asked for", version{3, asked.at})
	if h.has("asked for", asked) {
		t.Error("what it was is still known")
	}
}
