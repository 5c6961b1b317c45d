package adminui_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"podium/protocol/adminui"
	"podium/protocol/client"
	"podium/protocol/socketio"
	"podium/protocol/sockettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// instrumented is a server in memory with an endpoint for admins.
func instrumented(t *testing.T, o adminui.Options) *sockettest.Server {
	t.Helper()
	srv := sockettest.NewServer(t, socketio.Options{Recovery: &socketio.Recovery{Log: &socketio.MemoryLog{}}})
	ui, err := adminui.Instrument(srv.Server, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ui.Close)
	return srv
}

func auth(fields map[string]any) client.Options {
	return client.Options{NoReconnection: true, Transports: []string{"websocket"}, Socket: client.SocketOptions{Auth: fields}}
}

// refusal is what an admin is told that is not let in.
func refusal(t *testing.T, srv *sockettest.Server, fields map[string]any) string {
	t.Helper()
	c := srv.Client("/admin", auth(fields))
	err := c.Socket.Connect(t.Context())
	var refused *client.ConnectError
	if !errors.As(err, &refused) {
		return fmt.Sprint(err)
	}
	return refused.Message
}

func TestAdminsSignInWithAPasswordOrASessionAndMayNotTryForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := instrumented(t, adminui.Options{Username: "admin", Password: "secret"})
		admin := srv.Connect("/admin", auth(map[string]any{"username": "admin", "password": "secret"}))
		var session string
		if admin.Await("session", &session); len(session) < 16 {
			t.Errorf("the session is %q", session)
		}
		again := srv.Connect("/admin", auth(map[string]any{"sessionId": session}))
		again.Await("config")
		for _, fields := range []map[string]any{
			{}, {"sessionId": "x"}, {"username": "admin"}, {"username": "admin", "password": "Secret"}, {"username": "Admin", "password": "secret"},
			{"username": 1, "password": true}, {"sessionId": []string{session}},
		} {
			if got := refusal(t, srv, fields); got != "invalid credentials" {
				t.Errorf("%v is answered %q", fields, got)
			}
		}
		wrong := map[string]any{"username": "admin", "password": "guess"}
		tries := 0
		for refusal(t, srv, wrong) == "invalid credentials" && tries < 100 {
			tries++
		}
		if tries > 20 {
			t.Errorf("%d tries", tries)
		}
		third := srv.Connect("/admin", auth(map[string]any{"sessionId": session})) // a session is not held up
		time.Sleep(time.Minute)
		if got := refusal(t, srv, wrong); got != "invalid credentials" {
			t.Errorf("a minute later: %q", got)
		}
		for _, c := range []*sockettest.Client{admin, again, third} { // whose heartbeats would take their time
			c.Disconnect()
		}
		time.Sleep(25 * time.Hour)
		if got := refusal(t, srv, map[string]any{"sessionId": session}); got != "invalid credentials" {
			t.Errorf("a session of yesterday is answered %q", got)
		}
	})
}

func TestWhoMayComeInMustBeSaid(t *testing.T) {
	srv := sockettest.NewServer(t, socketio.Options{})
	for _, o := range []adminui.Options{{}, {Username: "admin"}, {Password: "x"}} {
		if _, err := adminui.Instrument(srv.Server, o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	ui, err := adminui.Instrument(srv.Server, adminui.Options{Check: func(_ context.Context, name, word string) bool {
		return name == "x" && word == "y"
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer ui.Close()
	srv.Connect("/admin", auth(map[string]any{"username": "x", "password": "y"}))
	if got := refusal(t, srv, map[string]any{"username": "x", "password": "z"}); got != "invalid credentials" {
		t.Errorf("told %q", got)
	}
}

// shown is a socket as the UI gets it.
type shown struct {
	ID, ClientID, Transport, Nsp string
	Data                         map[string]any
	Rooms                        []string
	Handshake                    struct {
		Headers map[string]string
		Query   map[string]any
	}
}

func TestADevelopersAdminSeesSocketsRoomsAndEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := instrumented(t, adminui.Options{NoAuth: true, Development: true})
		socketio.On(srv, "hello", func(s *socketio.Socket, _ socketio.Args) { _ = s.Emit("welcome", 1, []byte{1, 2, 3}) })
		srv.OnConnection(func(s *socketio.Socket) { s.SetData(map[string]string{"name": "Ada"}) })
		o := client.Options{Transports: []string{"websocket"}, Header: http.Header{"Cookie": {"a=secret"}, "Authorization": {"secret"}, "X-Y": {"z"}}}
		before := srv.Connect("/", o)
		synctest.Wait()
		admin := srv.Connect("/admin", client.Options{Transports: []string{"websocket"}})
		var all []shown
		admin.Await("all_sockets", &all)
		i := slices.IndexFunc(all, func(s shown) bool { return s.ID == before.ID() })
		if len(all) != 2 || i < 0 {
			t.Fatalf("the list is %+v", all)
		}
		if one := all[i]; one.Nsp != "/" || one.Transport != "websocket" || one.Data["name"] != "Ada" || !slices.Contains(one.Rooms, before.ID()) ||
			len(one.ClientID) != 12 || one.Handshake.Headers["x-y"] != "z" || one.Handshake.Query["EIO"] != "4" {
			t.Errorf("a socket is %+v", one)
		}
		var config struct{ SupportedFeatures []string }
		admin.Await("config", &config)
		if want := "AGGREGATED_EVENTS EMIT JOIN LEAVE DISCONNECT MJOIN MLEAVE MDISCONNECT ALL_EVENTS"; strings.Join(config.SupportedFeatures, " ") != want {
			t.Errorf("the features are %v", config.SupportedFeatures)
		}

		after := srv.Connect("/", o)
		var one shown
		admin.Await("socket_connected", &one)
		if one.ID != after.ID() || one.Handshake.Headers["cookie"] != "" || one.Handshake.Headers["authorization"] != "" {
			t.Errorf("connected: %+v", one)
		}
		_ = after.Emit("hello", "x", strings.Repeat("y", 5000))
		text := func(event string) string {
			args, err := json.Marshal(admin.Await(event)[:3])
			if err != nil {
				t.Fatal(err)
			}
			return string(args)
		}
		if got, want := text("event_received"), fmt.Sprintf(`["/","%s",["hello","x",{"_admin":"too long","bytes":5002}]]`, after.ID()); got != want {
			t.Errorf("received %s, want %s", got, want)
		}
		if got, want := text("event_sent"), fmt.Sprintf(`["/","%s",["welcome",1,{"_admin":"binary","bytes":3}]]`, after.ID()); got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
		_ = admin.Emit("join", "/", "lobby", after.ID())
		if got, want := text("room_joined"), fmt.Sprintf(`["/","lobby","%s"]`, after.ID()); got != want {
			t.Errorf("joined %s, want %s", got, want)
		}
		_ = admin.Emit("emit", "/", "lobby", "news", "x")
		var news string
		if after.Await("news", &news); news != "x" || before.Pending("news") != 0 {
			t.Errorf("emitted %q, %d elsewhere", news, before.Pending("news"))
		}
		_ = admin.Emit("leave", "/", "lobby", nil)
		if got, want := text("room_left"), fmt.Sprintf(`["/","lobby","%s"]`, after.ID()); got != want {
			t.Errorf("left %s, want %s", got, want)
		}
		id := after.ID()
		_ = admin.Emit("_disconnect", "/", false, map[string]int{"a": 1}) // no filter, and not everybody
		_ = admin.Emit("_disconnect", "/none", false, nil)
		_ = admin.Emit("_disconnect", "/", false, after.ID())
		if got, want := text("socket_disconnected"), fmt.Sprintf(`["/","%s","server namespace disconnect"]`, id); got != want {
			t.Errorf("disconnected %s, want %s", got, want)
		}
		if !before.Connected() {
			t.Error("everybody was disconnected")
		}
		for s := range srv.Of("/").Sockets() {
			s.SetData(map[string]string{"name": "Bob"})
		}
		if admin.Await("socket_updated", &one); one.Data["name"] != "Bob" {
			t.Errorf("updated %+v", one)
		}
	})
}

func TestFiguresAreSentAndNothingElseWhereThatIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := instrumented(t, adminui.Options{NoAuth: true, ReadOnly: true, ServerID: "one"})
		admin := srv.Connect("/admin", client.Options{Transports: []string{"websocket"}})
		var config struct{ SupportedFeatures []string }
		if admin.Await("config", &config); strings.Join(config.SupportedFeatures, " ") != "AGGREGATED_EVENTS" {
			t.Errorf("the features are %v", config.SupportedFeatures)
		}
		c := srv.Connect("/", client.Options{Transports: []string{"websocket"}})
		_ = admin.Emit("emit", "/", nil, "news", "x")
		_ = admin.Emit("_disconnect", "/", true, nil)
		var stats struct {
			ServerID         string
			ClientsCount     int
			AggregatedEvents []struct {
				Type  string
				Count int
			}
			Namespaces []struct {
				Name         string
				SocketsCount int
			}
		}
		admin.Await("server_stats", &stats)
		admin.Await("server_stats", &stats)
		if stats.ServerID != "one" || stats.ClientsCount != 2 || len(stats.Namespaces) != 2 || len(stats.AggregatedEvents) < 4 {
			t.Errorf("the figures are %+v", stats)
		}
		if !c.Connected() || c.Pending("news") != 0 || admin.Pending("all_sockets")+admin.Pending("socket_connected") != 0 {
			t.Error("an admin that may only read did something, or was told more than figures")
		}
	})
}

// What an admin is sent of ten thousand sockets, each of which does something, is bounded in
// messages and bytes by the defaults, however large what the clients say is.
func TestTenThousandSocketsDoNotFloodAnAdmin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const connections, namespaces, busy, seconds = 100, 100, 3, 11
		srv := instrumented(t, adminui.Options{NoAuth: true, Development: true})
		rooms := srv.OfPattern(regexp.MustCompile(`^/n\d+$`))
		socketio.On(rooms, "x", func(s *socketio.Socket, text string) {
			s.SetData(text)
			_ = s.Join(text[:10])
		})
		var all []*client.Socket
		for range connections {
			o := client.Options{Transports: []string{"websocket"}, Header: http.Header{}, Transport: srv.Transport()}
			for i := range 100 {
				o.Header.Set(fmt.Sprint("X-", i), strings.Repeat("h", 100))
			}
			m, err := client.NewManager(sockettest.URL, o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = m.Close() })
			for i := range namespaces {
				s := m.Socket(fmt.Sprint("/n", i), client.SocketOptions{})
				if err := s.Connect(t.Context()); err != nil {
					t.Fatal(err)
				}
				all = append(all, s)
			}
		}
		admin := srv.Client("/admin", client.Options{Transports: []string{"websocket"}})
		var messages, lists, bytes atomic.Int64
		admin.OnAny(func(e *client.Event) {
			text, err := json.Marshal(e.Args)
			if err != nil {
				t.Error(err)
			}
			messages.Add(1)
			bytes.Add(int64(len(text)))
			if e.Name == "all_sockets" {
				if lists.Add(1); len(text) > 2<<20+1<<10 || len(text) < 100<<10 {
					t.Errorf("a list of %d bytes", len(text))
				}
			}
		})
		if err := admin.Socket.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		for second := range busy {
			text := strings.Repeat(fmt.Sprint(second), 3000)
			for _, s := range all {
				_ = s.Emit("x", text)
			}
			time.Sleep(time.Second)
		}
		time.Sleep((seconds - busy) * time.Second)
		t.Logf("%d events of %d sockets in %d s: %d messages, %d KB, %d lists",
			busy*len(all), len(all), seconds, messages.Load(), bytes.Load()>>10, lists.Load())
		// 100 entries a second, 100 changes of data and one set of figures every other second,
		// and a list at the beginning and after ten seconds.
		if n := messages.Load(); n < 100*busy || n > 100*(seconds+1)+101*(seconds/2+1)+3 {
			t.Errorf("%d messages", n)
		}
		if lists.Load() > 2 || bytes.Load() > lists.Load()*2<<20+messages.Load()*16<<10 {
			t.Errorf("%d lists, %d bytes", lists.Load(), bytes.Load())
		}
		if !admin.Connected() {
			t.Error("the admin was put out")
		}
	})
}

// Of many sockets the page is shown as many as it can show, and what happens to
// them no faster than it can follow. What was left out is made good by a list.
func TestAnAdminOfManySocketsIsShownWhatAPageCanShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sockets, most, events = 300, 50, 20
		srv := instrumented(t, adminui.Options{NoAuth: true, Development: true, MaxSockets: most, MaxEvents: events})
		socketio.On(srv, "x", func(*socketio.Socket, int) {})
		o := client.Options{Transports: []string{"websocket"}}
		var all []*sockettest.Client
		for range sockets {
			all = append(all, srv.Connect("/", o))
		}
		admin := srv.Connect("/admin", o)
		var list []shown
		if admin.Await("all_sockets", &list); len(list) != most {
			t.Errorf("%d sockets are shown, want %d", len(list), most)
		}
		for n := range 5 {
			for _, c := range all {
				_ = c.Emit("x", n)
			}
		}
		time.Sleep(1500 * time.Millisecond)
		if n := admin.Pending("event_received"); n == 0 || n > 3*events {
			t.Errorf("%d events of %d were shown in 1.5 s", n, 5*sockets)
		}
		for _, c := range all[:sockets-10] {
			c.Disconnect()
		}
		time.Sleep(11 * time.Second)
		list = nil
		for admin.Pending("all_sockets") > 0 {
			admin.Await("all_sockets", &list)
		}
		if len(list) != 11 {
			t.Errorf("%d sockets are shown at last, want those that are left and the admin's", len(list))
		}
	})
}
