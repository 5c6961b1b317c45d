package adminui

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
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

// The entries that change nothing in the list of sockets and rooms.
const (
	eventReceived = "event_received"
	eventSent     = "event_sent"
)

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
	Address string            `json:"address"`
	Headers map[string]string `json:"headers"`
	Query   map[string]any    `json:"query"`  // a text, or a list where a parameter is repeated
	Issued  int64             `json:"issued"` // ms
	Secure  bool              `json:"secure"`
	Time    string            `json:"time"`
	URL     string            `json:"url"`
	Xdomain bool              `json:"xdomain"`
}

// What is shown of one socket or event at most, in bytes, however much a client puts into its
// request or a program into its rooms. A list is half of what may wait for an admin by default,
// so that what happens meanwhile does not make it overflow.
const (
	maxList    = 2 << 20
	maxData    = 4 << 10
	maxHeader  = 512
	maxHeaders = 4 << 10
	maxQuery   = 2 << 10
	maxURL     = 1 << 10
	maxRooms   = 4 << 10
	maxArgs    = 4 << 10
)

// private are the headers that are not shown.
var private = []string{"Cookie", "Authorization", "Proxy-Authorization"}

// describe is a socket as the UI shows it.
func describe(s *socketio.Socket) socketInfo {
	h := s.Handshake()
	info := socketInfo{
		ID: s.ID(), ClientID: clientID(s), Transport: s.Conn().Transport(), Namespace: s.Namespace().Name(),
		Data: dataOf(s), Rooms: rooms(s.Rooms()),
		Handshake: handshakeInfo{
			Address: h.Address, Headers: headers(h.Header), Query: query(h.Query), Issued: h.Issued.UnixMilli(),
			Secure: h.Secure, Time: h.Issued.Format(time.RFC1123Z), URL: h.URL[:min(len(h.URL), maxURL)], Xdomain: h.CrossDomain(),
		},
	}
	return info
}

// rooms are the first of a socket's, its own among them, that fit.
func rooms(all []string) []string {
	shown, left := []string{}, maxRooms
	for _, name := range all {
		if left -= len(name); left < 0 {
			break
		}
		shown = append(shown, name)
	}
	return shown
}

// headers are the first that fit, and are not private.
func headers(all http.Header) map[string]string {
	shown, left := make(map[string]string), maxHeaders
	for _, name := range slices.Sorted(maps.Keys(all)) {
		text := strings.Join(all[name], ", ")
		if slices.Contains(private, name) || len(text) > maxHeader || len(name)+len(text) > left {
			continue
		}
		left -= len(name) + len(text)
		shown[strings.ToLower(name)] = text
	}
	return shown
}

// query are the first parameters that fit.
func query(all url.Values) map[string]any {
	shown, left := make(map[string]any), maxQuery
	for _, name := range slices.Sorted(maps.Keys(all)) {
		size := len(name)
		for _, value := range all[name] {
			size += len(value)
		}
		if size <= left {
			left -= size
			if shown[name] = all[name]; len(all[name]) == 1 {
				shown[name] = all[name][0]
			}
		}
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
		if ui.wants() {
			ui.show(entry{"socket_connected", []any{describe(s), time.Now()}, s})
		}
	})
	n.OnDisconnect(func(s *socketio.Socket, reason socketio.Reason) {
		if ui.wants() {
			ui.show(entry{"socket_disconnected", []any{name, s.ID(), string(reason), time.Now()}, s})
		}
	})
	n.OnRoom(func(e socketio.RoomEvent) {
		event := map[socketio.RoomEventKind]string{socketio.RoomJoined: "room_joined", socketio.RoomLeft: "room_left"}[e.Kind]
		if event != "" && ui.wants() {
			ui.show(entry{event, []any{name, e.Room, e.Socket.ID(), time.Now()}, e.Socket})
		}
	})
	if n == ui.namespace {
		return // what admins are told would be something to tell them
	}
	tell := func(event string) func(*socketio.Socket, string, socketio.Args) {
		return func(s *socketio.Socket, sent string, args socketio.Args) {
			if ui.admins.Load() > 0 && len(ui.feed) < cap(ui.feed) && ui.isShown(s) { // else not worth the copy
				ui.show(entry{event, []any{name, s.ID(), argsOf(sent, args), time.Now()}, s})
			}
		}
	}
	n.OnAny(tell(eventReceived))
	n.OnAnyOutgoing(tell(eventSent))
}

// wants reports whether to tell of a change of the list: an admin is there, and can take it.
// It notes that something was left out.
func (ui *UI) wants() bool {
	if ui.admins.Load() == 0 {
		return false
	}
	if len(ui.feed) == cap(ui.feed) {
		ui.missed.Store(true)
		return false
	}
	return true
}

// show passes something on, or notes that a change of the list was left out.
func (ui *UI) show(e entry) {
	select {
	case ui.feed <- e:
	default:
		if e.event != eventReceived && e.event != eventSent {
			ui.missed.Store(true)
		}
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
			if !ui.send(e) {
				continue
			}
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

// send sends one entry, where it is about a socket that is shown, and reports whether.
func (ui *UI) send(e entry) bool {
	shown := ui.isShown(e.socket)
	switch e.event {
	case "socket_connected":
		if shown || !ui.add(e.socket) {
			return false
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
	return shown
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

// sendList sends the sockets of this server, as many as MaxSockets and maxList allow.
func (ui *UI) sendList() {
	ui.mu.Lock()
	clear(ui.shown)
	ui.mu.Unlock()
	list, left := []json.RawMessage{}, maxList
	for _, name := range ui.server.Namespaces() {
		n := ui.server.Lookup(name)
		if n == nil {
			continue
		}
		for s := range n.Sockets() {
			if len(list) >= ui.o.MaxSockets {
				break
			}
			info, err := json.Marshal(describe(s))
			if left -= len(info); err != nil || left < 0 {
				break
			}
			if ui.add(s) {
				list = append(list, info)
			}
		}
	}
	_ = ui.namespace.Local().Emit("all_sockets", list)
}

// sendUpdates tells of shown sockets whose transport or data has changed: of MaxEvents at
// most, and of the others the next time.
func (ui *UI) sendUpdates() {
	ui.mu.Lock()
	if ui.admins.Load() == 0 {
		clear(ui.shown) // nobody tells of those that leave
	}
	var changed []*socketio.Socket
	for s, before := range ui.shown {
		if len(changed) >= ui.o.MaxEvents {
			break
		}
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
