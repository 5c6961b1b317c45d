package browser

import (
	"path/filepath"
	"podium/test/harness"
	"strings"
	"testing"
)

// visit is what a browser measured while it opened a page for the first time.
type visit struct {
	Blocking []string // files that the first picture waited for
	Files    int      // of the page: no answers of the API, no pictures, no Socket.IO client
	Bytes    int      // of those, as they were transferred
	Painted  float64  // ms until the first content was painted
	Shifted  float64  // cumulative layout shift
	Moved    []string // elements that it was of, as selectors
}

// measured waits until the page is drawn, and reads Chromium's own measurements of it.
func (tb *window) measured() visit {
	tb.t.Helper()
	harness.Eventually(tb.t, "something to be painted", func() bool {
		return eval[bool](tb, `document.readyState === "complete" && performance.getEntriesByName("first-contentful-paint").length > 0`)
	})
	eval[bool](tb, `window.shifted = 0; window.moved = [];
		const named = node => {
			const e = node?.closest ? node : node?.parentElement;
			return e ? e.localName + (e.id && "#" + e.id) + [...e.classList].map(c => "." + c).join("") : "what is gone";
		};
		new PerformanceObserver(list => {
			for (const e of list.getEntries()) if (!e.hadRecentInput) shifted += e.value, moved.push(...e.sources.map(s => named(s.node)));
		}).observe({type: "layout-shift", buffered: true});
		window.settled = false; setTimeout(() => requestAnimationFrame(() => { settled = true }), 300); true`)
	harness.Eventually(tb.t, "the page to settle", func() bool { return eval[bool](tb, "settled") })
	return eval[visit](tb, `(() => {
		const all = performance.getEntriesByType("resource");
		const own = all.filter(e => !/\/(socket\.io|api|uploads)\/|categories\.json/.test(new URL(e.name).pathname));
		const page = performance.getEntriesByType("navigation")[0];
		return {
			Blocking: all.filter(e => e.renderBlockingStatus === "blocking").map(e => new URL(e.name).pathname),
			Files: own.length + 1,
			Bytes: own.reduce((sum, e) => sum + e.encodedBodySize, page.encodedBodySize),
			Painted: performance.getEntriesByName("first-contentful-paint")[0].startTime,
			Shifted: shifted,
			Moved: moved,
		};
	})()`)
}

// Nothing but the page itself stands between a guest and the first picture of it: Chromium names no file that drawing
// waited for, on any page. The same is asked of pages that link to a style sheet, where it has to name one.
func TestNothingBlocksDrawing(t *testing.T) {
	t.Parallel()
	const bytesAllowed = 60_000
	const shiftAllowed = 0.1 // what Core Web Vitals calls good
	p := harness.Start(t)
	p.Submit("Already there")
	for _, path := range []string{"/", "/winners.html", "/wall", "/admin", "/admin/codes", "/admin/dashboard"} {
		for size, width := range map[string]int{"phone": 390, "desktop": 1440} {
			v := openWindow(t, p.URL+path, width, 844).measured()
			t.Logf("%-16s %-7s %d blocking, %2d files, %5d bytes of %d, first paint %4.0f ms, layout shift %.3f of %.1f",
				path, size, len(v.Blocking), v.Files, v.Bytes, bytesAllowed, v.Painted, v.Shifted, shiftAllowed)
			if len(v.Blocking) > 0 {
				t.Errorf("%s, %s: drawing waited for %s", path, size, strings.Join(v.Blocking, ", "))
			}
			if v.Bytes > bytesAllowed {
				t.Errorf("%s, %s: %d bytes", path, size, v.Bytes)
			}
			if v.Shifted > shiftAllowed {
				t.Errorf("%s, %s: what was drawn moved by %.3f: %s", path, size, v.Shifted, strings.Join(v.Moved, ", "))
			}
		}
	}
	pages, err := filepath.Abs("testdata/oldpages")
	if err != nil {
		t.Fatal(err)
	}
	old := harness.Start(t, "--static="+pages)
	if v := openWindow(t, old.URL+"/", 390, 844).measured(); len(v.Blocking) == 0 {
		t.Error("Chromium names nothing that a page with a style sheet waits for: the figures above say nothing")
	}
}
