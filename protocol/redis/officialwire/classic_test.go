package officialwire

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"

	"podium/protocol/internal/nodewire"
	"podium/protocol/socketio"
)

func raws(texts ...string) (out []json.RawMessage) {
	for _, text := range texts {
		out = append(out, json.RawMessage(text))
	}
	return out
}

// same compares messages, with lists that are empty taken for none.
func same(a, b *socketio.Message) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

const classicEvent = "\x93\xa6CLBfp_\x83\xa4type\x02\xa4data\x92\xa4news\xa2hi\xa3nsp\xa1/\x83\xa5rooms\x90\xa6except\x90\xa5flags\x80"

func testClassic(self string) classic {
	return classic{&link{o: Options{Logger: slog.New(slog.DiscardHandler)}.withDefaults(), self: self}}
}

func TestTheClassicWireIsReadAndWrittenAsNodeDoes(t *testing.T) {
	event := &socketio.Message{Kind: socketio.MessageEvent, From: "CLBfp_", Namespace: "/", Event: "news", Args: raws(`"hi"`)}
	got, err := testClassic("me").read("socket.io#/#", classicEvent)
	if err != nil || !same(got, event) {
		t.Errorf("read %+v, %v", got, err)
	}
	channel, words := testClassic("CLBfp_").words(event)
	if out, err := nodewire.Write(words, true); channel != "socket.io#/#" || err != nil || string(out) != classicEvent {
		t.Errorf("wrote to %s %q, %v", channel, out, err)
	}
	for _, c := range []struct {
		channel, text string
		want          socketio.Message
	}{
		{"socket.io-request#/#", `{"uid":"A","requestId":"kkP6kG","type":5,"opts":{"rooms":[],"except":[]}}`, socketio.Message{Kind: socketio.MessageFetch, Request: "kkP6kG"}},
		{"socket.io-request#/#", `{"uid":"A","requestId":"x","type":1}`, socketio.Message{Kind: socketio.MessageFetch, Request: "rooms of x"}},
		{"socket.io-request#/#", `{"uid":"A","type":6,"data":["note",1]}`, socketio.Message{Kind: socketio.MessageServer, Event: "note", Args: raws(`1`)}},
		{"socket.io-request#/#", `{"uid":"A","type":2,"opts":{"rooms":["r1"],"except":[]},"rooms":["r2","r3"]}`, socketio.Message{Kind: socketio.MessageJoin, Rooms: []string{"r1"}, Names: []string{"r2", "r3"}}},
		{"socket.io-request#/#", `{"uid":"A","type":4,"opts":{"rooms":["r1"],"except":["x"]},"close":true}`, socketio.Message{Kind: socketio.MessageDisconnect, Rooms: []string{"r1"}, Except: []string{"x"}, Close: true}},
		{"socket.io-response#/#", `{"type":8,"requestId":"_0umjT","clientCount":1}`, socketio.Message{Kind: socketio.MessageCount, Request: "_0umjT", Count: 1}},
		{"socket.io-response#/#me#", `{"type":6,"requestId":"a","data":"re w"}`, socketio.Message{Kind: socketio.MessageReply, Request: "a", Args: raws(`"re w"`)}},
	} {
		c.want.Namespace = "/"
		if c.channel == "socket.io-request#/#" {
			c.want.From = "A"
		}
		got, err := testClassic("me").read(c.channel, c.text)
		if err != nil || !same(got, &c.want) {
			t.Errorf("%s: read %+v, %v", c.text, got, err)
		}
	}
}

func TestWhatIsOnesOwnIsPassedOver(t *testing.T) {
	for channel, text := range map[string]string{"socket.io#/#": classicEvent, "socket.io-request#/#": `{"uid":"CLBfp_","type":6,"data":["note"]}`} {
		if m, err := testClassic("CLBfp_").read(channel, text); m != nil || err != nil {
			t.Errorf("%s: %+v, %v", channel, m, err)
		}
	}
}

func TestAQuestionForRoomsIsAnsweredWithRooms(t *testing.T) {
	m := &socketio.Message{Kind: socketio.MessageSockets, Namespace: "/", Request: "rooms of x", Sockets: []socketio.RemoteRecord{
		{ID: "a", Rooms: []string{"a", "r"}}, {ID: "b", Rooms: []string{"b", "r"}}}}
	channel, words := testClassic("me").words(m)
	if text, err := nodewire.Write(words, false); channel != "socket.io-response#/#" || string(text) != `{"requestId":"x","rooms":["a","b","r"]}` {
		t.Errorf("%s %s, %v", channel, text, err)
	}
	m.Request = "ids of x"
	_, words = testClassic("me").words(m)
	if text, err := nodewire.Write(words, false); string(text) != `{"requestId":"x","sockets":["a","b"]}` {
		t.Errorf("%s, %v", text, err)
	}
}

func TestNamespacesAreSpreadOverStreamsAsNodeSpreadsThem(t *testing.T) {
	o := Options{StreamCount: 4}.withDefaults()
	for nsp, want := range map[string]string{"/": "socket.io-3", "/notifications": "socket.io--3"} {
		if got := o.streamOf(nsp); got != want {
			t.Errorf("%s is in %s, want %s", nsp, got, want)
		}
	}
}

// FuzzClassic: whatever is published is read or refused.
func FuzzClassic(f *testing.F) {
	f.Add([]byte(classicEvent))
	f.Add([]byte(`{"uid":"A","type":2,"opts":{"rooms":["r1"],"except":[]},"rooms":["r2","r3"]}`))
	f.Add([]byte(`{"type":8,"requestId":"_0umjT","clientCount":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, channel := range []string{"socket.io#/#", "socket.io-request#/#", "socket.io-response#/#"} {
			m, err := testClassic("me").read(channel, string(data))
			if m != nil && err == nil && m.Kind == "" {
				t.Fatalf("%q is a message of no kind", data)
			}
		}
	})
}
