package adminui

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"podium/protocol/socketio"
)

// entry is something that happened, on its way to the admins.
type entry struct {
	event  string
	args   []any
	socket *socketio.Socket
}

// socketInfo is a socket as the UI shows it.
type socketInfo struct {
	ID        string          `json:"id"`
	ClientID  string          `json:"clientId"`
	Transport string          `json:"transport"`
	Namespace string          `json:"nsp"`
	Data      json.RawMessage `json:"data"`
	Handshake handshakeInfo   `json:"handshake"`
	Rooms     []string        `json:"rooms"`
}

// handshakeInfo leaves out what lets in whoever knows it.
type handshakeInfo struct {
	Address string              `json:"address"`
	Headers map[string]string   `json:"headers"`
	Query   map[string][]string `json:"query"`
	Issued  int64               `json:"issued"` // ms
	Secure  bool                `json:"secure"`
	Time    string              `json:"time"`
	URL     string              `json:"url"`
	Xdomain bool                `json:"xdomain"`
}

// What is shown of one socket or event at most, in bytes.
const (
	maxData   = 4 << 10
	maxHeader = 512
	maxArgs   = 4 << 10
)

// private are the headers that are not shown.
var private = []string{"Cookie", "Authorization", "Proxy-Authorization"}

// describe is a socket as the UI shows it.
func describe(s *socketio.Socket) socketInfo {
	h := s.Handshake()
	info := socketInfo{
		ID: s.ID(), ClientID: clientID(s), Transport: s.Conn().Transport(), Namespace: s.Namespace().Name(),
		Data: dataOf(s), Rooms: s.Rooms(),
		Handshake: handshakeInfo{
			Address: h.Address, Headers: headers(h.Header), Query: h.Query, Issued: h.Issued.UnixMilli(),
			Secure: h.Secure, Time: h.Issued.Format(time.RFC1123Z), URL: h.URL, Xdomain: h.CrossDomain(),
		},
	}
	if info.Rooms == nil {
		info.Rooms = []string{}
	}
	return info
}

func headers(all http.Header) map[string]string {
	shown := make(map[string]string, len(all))
	for name, values := range all {
		if text := strings.Join(values, ", "); len(text) <= maxHeader {
			shown[strings.ToLower(name)] = text
		}
	}
	for _, name := range private {
		delete(shown, strings.ToLower(name))
	}
	return shown
}

// clientID tells connections apart without saying their ids, by which they can be taken over.
func clientID(s *socketio.Socket) string {
	sum := sha256.Sum256([]byte(s.ConnID()))
	return hex.EncodeToString(sum[:6])
}

// dataOf is the socket's data, where it is not too large.
func dataOf(s *socketio.Socket) json.RawMessage {
	data, err := json.Marshal(s.Data())
	if err != nil || string(data) == "null" || len(data) > maxData {
		return json.RawMessage("{}") // the UI lists its fields
	}
	return data
}

// argsOf are an event's arguments as the UI shows them, its name first. Bytes are shown as how
// many they are, and so is what is too long.
func argsOf(event string, args socketio.Args) []any {
	shown := []any{event}
	left := maxArgs
	for _, a := range args {
		text, err := a.MarshalJSON()
		if b, ok := a.Bytes(); ok {
			shown = append(shown, bytesInfo{"binary", len(b)})
			continue
		}
		if left -= len(text); err != nil || left < 0 {
			shown = append(shown, bytesInfo{"too long", len(text)})
			continue
		}
		shown = append(shown, json.RawMessage(text))
	}
	return shown
}

type bytesInfo struct {
	Kind  string `json:"_admin"`
	Bytes int    `json:"bytes"`
}

// watch has what happens in a namespace shown. Nothing is made of it while no admin is there.
func (ui *UI) watch(n *socketio.Namespace) {
	name := n.Name()
	n.OnConnection(func(s *socketio.Socket) {
		if ui.admins.Load() > 0 {
			ui.show(entry{"socket_connected", []any{describe(s), time.Now()}, s})
		}
	})
	n.OnDisconnect(func(s *socketio.Socket, reason socketio.Reason) {
		if ui.admins.Load() > 0 {
			ui.show(entry{"socket_disconnected", []any{name, s.ID(), string(reason), time.Now()}, s})
		}
	})
	n.OnRoom(func(e socketio.RoomEvent) {
		event := map[socketio.RoomEventKind]string{socketio.RoomJoined: "room_joined", socketio.RoomLeft: "room_left"}[e.Kind]
		if event != "" && ui.admins.Load() > 0 {
			ui.show(entry{event, []any{name, e.Room, e.Socket.ID(), time.Now()}, e.Socket})
		}
	})
	if n == ui.namespace {
		return // what admins are told would be something to tell them
	}
	tell := func(event string) func(*socketio.Socket, string, socketio.Args) {
		return func(s *socketio.Socket, sent string, args socketio.Args) {
			if ui.admins.Load() > 0 && len(ui.feed) < cap(ui.feed) { // else not worth the copy
				ui.show(entry{event, []any{name, s.ID(), argsOf(sent, args), time.Now()}, s})
			}
		}
	}
	n.OnAny(tell("event_received"))
	n.OnAnyOutgoing(tell("event_sent"))
}

// show passes something on, or notes that it was left out.
func (ui *UI) show(e entry) {
	select {
	case ui.feed <- e:
	default:
		ui.missed.Store(true)
	}
}

// sendFeed sends admins of this server what happens to the sockets that they are shown.
func (ui *UI) sendFeed(ctx context.Context) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	updates := time.NewTicker(statsEvery)
	defer updates.Stop()
	list := time.NewTicker(listEvery)
	defer list.Stop()
	feed, sent := ui.feed, 0
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-feed:
			ui.send(e)
			if sent++; sent >= ui.o.MaxEvents {
				feed = nil // what does not fit meanwhile is left out
			}
		case <-second.C:
			feed, sent = ui.feed, 0
		case <-updates.C:
			ui.sendUpdates()
		case <-ui.refresh:
			ui.sendList()
		case <-list.C:
			if ui.admins.Load() > 0 && ui.missed.Swap(false) {
				ui.sendList()
			}
		}
	}
}

// send sends one entry, where it is about a socket that is shown.
func (ui *UI) send(e entry) {
	shown := ui.isShown(e.socket)
	switch e.event {
	case "socket_connected":
		if shown || !ui.add(e.socket) {
			return
		}
		shown = true
	case "socket_disconnected":
		ui.mu.Lock()
		delete(ui.shown, e.socket)
		ui.mu.Unlock()
	}
	if shown {
		_ = ui.namespace.Local().Emit(e.event, e.args...) // who takes it too slowly is put out, as anybody
	}
}

func (ui *UI) isShown(s *socketio.Socket) bool {
	ui.mu.Lock()
	defer ui.mu.Unlock()
	_, ok := ui.shown[s]
	return ok
}

// add shows a socket, where there is room and it is still there.
func (ui *UI) add(s *socketio.Socket) bool {
	ui.mu.Lock()
	defer ui.mu.Unlock()
	if len(ui.shown) >= ui.o.MaxSockets || !s.Connected() {
		return false
	}
	ui.shown[s] = state(s)
	return true
}

// state is what socket_updated tells of.
func state(s *socketio.Socket) string { return s.Conn().Transport() + " " + string(dataOf(s)) }

// sendList sends the sockets of this server, at most MaxSockets of them.
func (ui *UI) sendList() {
	ui.mu.Lock()
	clear(ui.shown)
	ui.mu.Unlock()
	all := []socketInfo{}
	for _, name := range ui.server.Namespaces() {
		n := ui.server.Lookup(name)
		if n == nil {
			continue
		}
		for s := range n.Sockets() {
			if len(all) >= ui.o.MaxSockets {
				break
			}
			if ui.add(s) {
				all = append(all, describe(s))
			}
		}
	}
	_ = ui.namespace.Local().Emit("all_sockets", all)
}

// sendUpdates tells of shown sockets whose transport or data has changed.
func (ui *UI) sendUpdates() {
	ui.mu.Lock()
	if ui.admins.Load() == 0 {
		clear(ui.shown) // nobody tells of those that leave
	}
	var changed []*socketio.Socket
	for s, before := range ui.shown {
		if now := state(s); now != before {
			ui.shown[s] = now
			changed = append(changed, s)
		}
	}
	ui.mu.Unlock()
	for _, s := range changed {
		_ = ui.namespace.Local().Emit("socket_updated", map[string]any{
			"id": s.ID(), "nsp": s.Namespace().Name(), "transport": s.Conn().Transport(), "data": dataOf(s),
		})
	}
}
