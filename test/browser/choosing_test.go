package browser

import (
	"context"
	"os"
	"path/filepath"
	"podium/test/harness"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// sendShown sends the photo that the sheet shows.
func (tb *window) sendShown(caption string) {
	tb.t.Helper()
	tb.run(chromedp.WaitVisible(`#send`), chromedp.SetValue(`#caption`, caption), chromedp.Click(`#send`))
}

// captions are those of the feed, in no order.
func captions(p *harness.Program) map[string]int {
	p.T.Helper()
	var answer struct {
		Feed map[string][]struct{ Caption string }
	}
	p.Call("GET", "/api/feed", "", nil, &answer)
	found := map[string]int{}
	for _, list := range answer.Feed {
		for _, one := range list {
			found[one.Caption]++
		}
	}
	return found
}

// slowly makes preparing a photo take as long as on an old phone, or as long as until "release" is called.
const slowly = `window.real = createImageBitmap;
	window.released = new Promise(resolve => { window.release = resolve });
	window.createImageBitmap = async (...all) => { await released; return real(...all) }; true`

// On a slow phone the sheet opens at once. Who chooses another photo meanwhile, or presses Send twice and before the
// photo is ready, loses none and sends none twice; who closes the sheet sends nothing.
func TestQuickHandsLoseNoPhotoAndSendNoneTwice(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	guest := openWindow(t, p.URL+"/", 390, 844)
	guest.sees("#connection", "Live")
	guest.run(chromedp.WaitReady(`input[name=category]`))
	eval[bool](guest, slowly)
	choose := func() { guest.run(chromedp.SetUploadFiles(`#library`, []string{photoFile(t)})) }
	choose()
	guest.run(chromedp.WaitVisible(`#send`))
	choose()
	choose()
	guest.sendShown("First")
	eval[bool](guest, `document.querySelector("#send").click(); release(); true`)
	guest.sees("#sheet-title", "1 more to come")
	guest.run(chromedp.WaitVisible(`#preview`))
	guest.sendShown("Second")
	harness.Eventually(t, "the last one", func() bool {
		return eval[bool](guest, `document.querySelector("#sheet-title").textContent === "Your photo"`)
	})
	guest.run(chromedp.WaitVisible(`#preview`), chromedp.Click(`#sheet-close`))
	guest.sees("#prints", "First")
	guest.sees("#prints", "Second")
	guest.gone("#sheet[open]")
	if found := captions(p); len(found) != 2 || found["First"] != 1 || found["Second"] != 1 {
		t.Errorf("the server has %v", found)
	}
	if words := eval[string](guest, `document.querySelector("#problem").innerText`); words != "" {
		t.Errorf("the guest is told %q", words)
	}
}

// A photo comes by drop and by paste too; a phone offers its camera as well as its library, a desktop no camera.
func TestAPhotoComesByDropByPasteAndFromTheCamera(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	desk := openWindow(t, p.URL+"/#100%", 1280, 900) // any address opens the page
	desk.sees("#connection", "Live")
	desk.run(chromedp.WaitReady(`input[name=category]`))
	drag := func(kind input.DispatchDragEventType) {
		data := &input.DragData{Items: []*input.DragDataItem{}, Files: []string{photoFile(t)}, DragOperationsMask: 1}
		desk.run(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, input.DispatchDragEvent, input.DispatchDragEventParams{Type: kind, X: 500, Y: 400, Data: data})
			return err
		}))
	}
	eval[bool](desk, `window.over = 0; addEventListener("dragover", () => over++); true`)
	drag("dragEnter")
	harness.Eventually(t, "the page to be dragged over", func() bool {
		drag("dragOver") // Chromium drops only where it was told before that the page takes it
		return eval[int](desk, "over") > 1
	})
	if desk.count("body.dropping") != 1 {
		t.Error("the page doesn't say that the photo can be dropped")
	}
	drag("drop")
	desk.sendShown("Dropped")
	desk.sees("#prints", "Dropped")
	if desk.count("body.dropping") != 0 {
		t.Error("the page still waits for a drop")
	}
	eval[bool](desk, `(async () => {
		const canvas = new OffscreenCanvas(640, 480);
		canvas.getContext("2d").fillRect(0, 0, 99, 99);
		const data = new DataTransfer();
		data.items.add(new File([await canvas.convertToBlob()], "shot.png", {type: "image/png"}));
		document.body.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true}));
	})(), true`)
	desk.sendShown("Pasted")
	desk.sees("#prints", "Pasted")

	phone := openWindow(t, p.URL+"/", 390, 844)
	phone.run(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch))
	for id, want := range map[string]string{"camera": "image/* environment false", "library": "image/* null true"} {
		if got := eval[string](phone, `(i => [i.accept, i.getAttribute("capture"), i.multiple].join(" ").replace("  ", " null "))(document.querySelector("#`+id+`"))`); got != want {
			t.Errorf("#%s: %s, want %s", id, got, want)
		}
		if !eval[bool](phone, `document.querySelector("#`+id+`").closest("label").getClientRects().length > 0`) {
			t.Errorf("a phone doesn't offer the %s", id)
		}
	}
	if eval[bool](desk, `document.querySelector("#camera").closest("label").getClientRects().length > 0`) {
		t.Error("a desktop offers a camera")
	}
}

// Pictures as phones make them: what this browser reads is made a JPEG before it is sent, what it can't read goes as it
// is and is judged by the server; both are shown on the wall.
func TestPicturesOfPhonesAreTaken(t *testing.T) {
	t.Parallel()
	p := harness.Start(t)
	guest := openWindow(t, p.URL+"/", 390, 844)
	guest.sees("#connection", "Live")
	guest.run(chromedp.WaitReady(`input[name=category]`))
	for kind, file := range map[string]string{"AVIF": "testdata/small.avif", "HEIC": "../server/pictures/testdata/small.heic"} {
		path, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Fatal(err)
		}
		guest.run(chromedp.SetUploadFiles(`#library`, []string{path}))
		guest.sendShown(kind)
		guest.sees("#prints", kind)
		harness.Eventually(t, kind+" to be shown", func() bool {
			return eval[bool](guest, `[...document.querySelectorAll("#prints img")].some(i => i.alt === "`+kind+`" && i.naturalWidth > 0)`)
		})
	}
	if broken := eval[int](guest, `[...document.querySelectorAll("#outbox img")].filter(i => i.complete && i.naturalWidth === 0).length`); broken > 0 {
		t.Errorf("%d of the guest's own pictures are shown broken", broken)
	}
}
