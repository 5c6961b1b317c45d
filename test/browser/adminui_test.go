package browser

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"podium/protocol/adminui"
	"podium/protocol/client"
	"podium/protocol/socketio"
	"podium/test/harness"
)

// The official admin UI, as its makers publish it, shows what happens at a server and does what
// it can do there.
func TestTheOfficialAdminUI(t *testing.T) {
	t.Parallel()
	page := "node_modules/@socket.io/admin-ui/ui/dist"
	_, err := os.Stat(page)
	harness.Need(t, err == nil, "@socket.io/admin-ui")

	srv := socketio.NewServer(socketio.Options{})
	ui, err := adminui.Instrument(srv, adminui.Options{Username: "admin", Password: "secret", Development: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.OnConnection(func(s *socketio.Socket) { s.SetData(map[string]string{"name": "Ada Lovelace"}) })
	socketio.OnAck(srv, "hello", func(s *socketio.Socket, _ string) (bool, error) { return true, s.Join("lobby") })
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.Handle("/", http.FileServer(http.Dir(page)))
	web := httptest.NewServer(mux)
	t.Cleanup(func() {
		ui.Close()
		_ = srv.Shutdown(t.Context()) // the connections end
		web.Close()
	})
	ada, err := client.Dial(t.Context(), web.URL, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ada.Close() })
	id := ada.ID()

	tb := openWindow(t, web.URL+"/", 1400, 1000)
	tb.signInToAdminUI(web.URL, "guess")
	tb.sees(".v-dialog", "invalid credentials")
	tb.signInToAdminUI(web.URL, "secret")
	tb.sees(".v-main", "clients")
	tb.goTo("#/sockets/")
	tb.sees("tbody", id)

	if _, err := ada.EmitWithAck(t.Context(), "hello", "is anybody there?"); err != nil {
		t.Fatal(err)
	}
	tb.goTo("#/events/")
	tb.sees(".v-main", "hello")
	tb.sees(".v-main", "lobby")
	tb.goTo("#/rooms/")
	tb.sees(".v-main", "lobby")
	tb.keepScreenshot("admin-ui-rooms")

	tb.goTo("#/n/%2F/sockets/" + id)
	tb.sees(".v-main", "Ada Lovelace")
	tb.sees(".v-main", "lobby")
	eval[bool](tb, `(() => {
		const input = document.querySelector(".select-room input[type=text]");
		input.value = "attic";
		return input.dispatchEvent(new Event("input"));
	})()`)
	eval[bool](tb, `document.querySelector(".select-room").closest("form").querySelector("[type=submit]").click() ?? true`)
	tb.sees(".v-main", "attic")
	harness.Eventually(t, "the socket to be in the room", func() bool { return srv.Of("/").RoomSize("attic") == 1 })
	tb.keepScreenshot("admin-ui-socket")
	tb.clickInRow("attic", "")
	harness.Eventually(t, "the socket to have left the room", func() bool { return srv.Of("/").RoomSize("attic") == 0 })

	gone := make(chan client.Reason, 1)
	ada.OnDisconnect(func(r client.Reason, _ error) { gone <- r })
	tb.goTo("#/sockets/")
	tb.clickInRow(id, "127.0.0.1") // in the list of sockets, not in that of rooms
	select {
	case r := <-gone:
		if r != client.ReasonServerDisconnect {
			t.Errorf("it ended for %q", r)
		}
	case <-time.After(harness.Patience):
		t.Fatal("the socket was not disconnected")
	}
	tb.goTo("#/sockets/") // the click was one on the row too, which shows the socket
	harness.Eventually(t, "the socket to leave the page", func() bool {
		return eval[bool](tb, `!document.querySelector(".v-main").innerText.includes(`+quote(id)+`)`)
	})
	tb.goTo("#/")
	tb.keepScreenshot("admin-ui-dashboard")
}

// clickInRow waits for a row that begins with a text and holds another, and clicks its first
// button.
func (tb *window) clickInRow(begin, holds string) {
	tb.t.Helper()
	harness.Eventually(tb.t, "a row of "+begin, func() bool {
		return eval[bool](tb, `(() => {
			const row = [...document.querySelectorAll("tbody tr")].find((tr) =>
				tr.innerText.trim().startsWith(`+quote(begin)+`) && tr.innerText.includes(`+quote(holds)+`));
			row?.querySelector("button").click();
			return row !== undefined;
		})()`)
	})
}

// goTo shows another view of the page.
func (tb *window) goTo(hash string) {
	tb.t.Helper()
	eval[string](tb, `location.hash = `+quote(hash))
}

// signInToAdminUI fills in the form that the admin UI begins with.
func (tb *window) signInToAdminUI(server, password string) {
	tb.t.Helper()
	tb.run(chromedp.WaitVisible(`.v-dialog form button[type=submit]`))
	eval[bool](tb, `(() => {
		const values = [`+quote(server)+`, "admin", `+quote(password)+`];
		document.querySelectorAll(".v-dialog form .v-text-field input").forEach((input, i) => {
			input.value = values[i];
			input.dispatchEvent(new Event("input"));
		});
		return true;
	})()`)
	// Not with the mouse, which misses a dialog that is still unfolding.
	eval[bool](tb, `document.querySelector(".v-dialog form button[type=submit]").click() ?? true`)
}
