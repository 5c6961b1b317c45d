package browser

import (
	"archive/zip"
	"context"
	"os"
	"path/filepath"
	"podium/test/harness"
	"strings"
	"testing"

	devtools "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// downloads makes the window keep what it downloads in a folder.
func (tb *window) downloads() string {
	tb.t.Helper()
	dir := tb.t.TempDir()
	tb.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		info, err := cdp.Call(ctx, t, target.GetTargetInfo, target.GetTargetInfoParams{})
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, t, devtools.SetDownloadBehavior, devtools.SetDownloadBehaviorParams{
			Behavior: "allow", BrowserContextID: info.TargetInfo.BrowserContextID, DownloadPath: dir})
		return err
	}))
	return dir
}

// downloaded waits for the one file in dir whose name ends so. Chromium keeps the
// name with an empty file until it has the whole.
func (tb *window) downloaded(dir, end string) string {
	tb.t.Helper()
	var found []string
	harness.Eventually(tb.t, "a file "+end, func() bool {
		found, _ = filepath.Glob(filepath.Join(dir, "*"+end)) // the pattern is valid
		if len(found) != 1 {
			return false
		}
		info, err := os.Stat(found[0])
		return err == nil && info.Size() > 0
	})
	return found[0]
}

// The organiser takes the evening home, from a phone as from a desktop: a spreadsheet, and everything with the pictures.
func TestTheOrganiserDownloadsEverything(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	p.Submit("=HYPERLINK(1)")
	for _, width := range []int{390, 1440} {
		admin := openWindow(t, p.URL+"/admin", width, 844)
		dir := admin.downloads()
		admin.signIn()
		admin.run(chromedp.Click(`a[href="/api/export.csv"]`))
		sheet, err := os.ReadFile(admin.downloaded(dir, ".csv"))
		if err != nil {
			t.Fatal(err)
		}
		if text := string(sheet); !strings.HasPrefix(text, "\ufeff") || !strings.Contains(text, "'=HYPERLINK(1)") || !strings.Contains(text, "Ann") {
			t.Errorf("%d pixels: the spreadsheet is %q", width, text)
		}
		admin.run(chromedp.Click(`a[href="/api/export.zip"]`))
		archive, err := zip.OpenReader(admin.downloaded(dir, ".zip"))
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]int{}
		for _, f := range archive.File {
			names[strings.SplitAfter(f.Name, "/")[0]]++
		}
		_ = archive.Close()
		for _, want := range []string{"data.json", "categories.json", "submissions.csv", "uploads/"} {
			if names[want] == 0 {
				t.Errorf("%d pixels: the archive lacks %s: %v", width, want, names)
			}
		}
	}
}
