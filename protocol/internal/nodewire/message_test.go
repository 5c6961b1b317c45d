package nodewire

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"testing"

	"podium/protocol/socketio"
	"podium/protocol/socketio/parser"
)

// captured is what Node servers wrote of each message: see the package comment for
// which.
var captured = []struct {
	name    string
	kind    Kind
	data    string // of an entry of the stream
	message socketio.Message
	other   bool // Node writes it so; we write it with the fields in another order, or whole
}{
	{"rooms and except", 3, `{"packet":{"type":2,"data":["ev",1,{"a":"b"}]},"opts":{"rooms":["r1","r2"],"except":["x1"],"flags":{}}}`,
		socketio.Message{Kind: socketio.MessageEvent, Event: "ev", Args: raws(`1`, `{"a":"b"}`), Rooms: []string{"r1", "r2"}, Except: []string{"x1"}}, false},
	{"volatile", 3, `{"packet":{"type":2,"data":["vol",1]},"opts":{"rooms":[],"except":[],"flags":{"volatile":true}}}`,
		socketio.Message{Kind: socketio.MessageEvent, Event: "vol", Args: raws(`1`), Volatile: true}, false},
	{"uncompressed", 3, `{"packet":{"type":2,"data":["nc",1]},"opts":{"rooms":[],"except":[],"flags":{"compress":false}}}`,
		socketio.Message{Kind: socketio.MessageEvent, Event: "nc", Args: raws(`1`), Uncompressed: true}, false},
	{"binary", 3, "gqZwYWNrZXSCpHR5cGUCpGRhdGGTo2JpbsQDAQIDgaFuAaRvcHRzg6Vyb29tc5CmZXhjZXB0kKVmbGFnc4A=",
		socketio.Message{Kind: socketio.MessageEvent, Event: "bin", Args: raws(`{"_placeholder":true,"num":0}`, `{"n":1}`), Attachments: [][]byte{{1, 2, 3}}}, false},
	{"unescaped", 3, "{\"packet\":{\"type\":2,\"data\":[\"nulls\",null,null,1.5,\"é\u2028\"]},\"opts\":{\"rooms\":[],\"except\":[],\"flags\":{}}}",
		socketio.Message{Kind: socketio.MessageEvent, Event: "nulls", Args: raws(`null`, `null`, `1.5`, "\"é\u2028\"")}, false},
	{"expects one answer", 3, `{"packet":{"type":2,"data":["a"]},"opts":{"rooms":["LlY-"],"except":[],"flags":{"expectSingleResponse":true}}}`,
		socketio.Message{Kind: socketio.MessageEvent, Event: "a", Rooms: []string{"LlY-"}}, true},
	{"no flags, a namespace, more fields", 3, `{"packet":{"type":2,"data":["a"],"nsp":"/","x":1},"opts":{"rooms":["r"]},"y":[]}`,
		socketio.Message{Kind: socketio.MessageEvent, Event: "a", Rooms: []string{"r"}}, true},
	{"ask in the stream, as 0.2 does", 3, `{"packet":{"type":2,"data":["q",5]},"requestId":"570d8e83fe9e6dcc","opts":{"rooms":[],"except":[],"flags":{"timeout":800}}}`,
		socketio.Message{Kind: socketio.MessageAsk, Event: "q", Args: raws(`5`), Request: "570d8e83fe9e6dcc", Millis: 800}, false},
	{"join", 4, `{"opts":{"rooms":["LlY-gEwS6Uv9qfu_AAAC"],"except":[],"flags":{}},"rooms":["r1","r9"]}`,
		socketio.Message{Kind: socketio.MessageJoin, Rooms: []string{"LlY-gEwS6Uv9qfu_AAAC"}, Names: []string{"r1", "r9"}}, false},
	{"leave", 5, `{"opts":{"rooms":["r1"],"except":[],"flags":{}},"rooms":["r9"]}`,
		socketio.Message{Kind: socketio.MessageLeave, Rooms: []string{"r1"}, Names: []string{"r9"}}, false},
	{"disconnect", 6, `{"opts":{"rooms":["BisO85GNITKDPqJDAAAA"],"except":[],"flags":{}},"close":true}`,
		socketio.Message{Kind: socketio.MessageDisconnect, Rooms: []string{"BisO85GNITKDPqJDAAAA"}, Close: true}, false},
	{"fetch", 7, `{"opts":{"rooms":[],"except":[],"flags":{}},"requestId":"2dc7e6e3679ca9ae"}`,
		socketio.Message{Kind: socketio.MessageFetch, Request: "2dc7e6e3679ca9ae"}, false},
	{"sockets", 8, `{"requestId":"2dc7","sockets":[{"id":"a","handshake":{"time":"t"},"rooms":["a","r"],"data":{"who":"two"}}]}`,
		socketio.Message{Kind: socketio.MessageSockets, Request: "2dc7", Sockets: []socketio.RemoteRecord{
			{ID: "a", Rooms: []string{"a", "r"}, Handshake: json.RawMessage(`{"time":"t"}`), Data: json.RawMessage(`{"who":"two"}`)}}}, false},
	{"server side", 9, `{"packet":["note",1]}`,
		socketio.Message{Kind: socketio.MessageServer, Event: "note", Args: raws(`1`)}, false},
	{"server side asked", 9, `{"requestId":"95269a538bee7f82","packet":["hello",1]}`,
		socketio.Message{Kind: socketio.MessageServer, Event: "hello", Args: raws(`1`), Request: "95269a538bee7f82"}, true},
	{"server side answered", 10, `{"requestId":"9526","packet":"B1"}`,
		socketio.Message{Kind: socketio.MessageReply, Request: "9526", Args: raws(`"B1"`)}, false},
	{"client count", 11, `{"requestId":"570d","clientCount":1}`,
		socketio.Message{Kind: socketio.MessageCount, Request: "570d", Count: 1}, false},
	{"acknowledgement", 12, `{"requestId":"570d","packet":"ack"}`,
		socketio.Message{Kind: socketio.MessageAnswer, Request: "570d", Args: raws(`"ack"`)}, false},
	{"acknowledgement of nothing", 12, `{"requestId":"570d"}`,
		socketio.Message{Kind: socketio.MessageAnswer, Request: "570d", Args: raws(`null`)}, true},
}

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

func TestCapturedMessagesAreReadAndWrittenAsNodeDoes(t *testing.T) {
	for _, c := range captured {
		p, err := ReadText(c.data)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		m, err := Meaning(c.kind, p)
		if err != nil || !same(m, &c.message) {
			t.Errorf("%s: read %+v, %v; want %+v", c.name, m, err, c.message)
		}
		if c.other {
			continue
		}
		k, data, ok := Body(&c.message)
		text, err := WriteText(data, len(c.message.Attachments) > 0)
		if k != c.kind || !ok || err != nil || text != c.data {
			t.Errorf("%s: wrote %d %s, %v\nwant %d %s", c.name, k, text, err, c.kind, c.data)
		}
	}
}

const asked = "\x84\xa4type\x03\xa4data\x83\xa6packet\x82\xa4type\x02\xa4data\x92\xa1q\x05\xa9requestId\xb025084cd171f3b312\xa4opts\x83\xa5rooms\x90\xa6except\x90\xa5flags\x81\xa7timeout\xcd\x05\xdc\xa3uid\xb0abb01a28bc0fb320\xa3nsp\xa1/"

func TestAPublishedQuestionIsWrittenByteForByteAsNodeDoes(t *testing.T) {
	m := &socketio.Message{Kind: socketio.MessageAsk, Event: "q", Args: raws(`5`), Request: "25084cd171f3b312", Millis: 1500, Namespace: "/"}
	whole, _ := Whole(m, "abb01a28bc0fb320")
	got, err := Write(whole, true)
	if err != nil || string(got) != asked {
		t.Errorf("%q, %v\nwant %q", got, err, asked)
	}
	p, err := Read(got)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ReadWhole(p)
	if err != nil || l.UID != "abb01a28bc0fb320" || l.Namespace != "/" || l.Kind != KindBroadcast {
		t.Errorf("read %+v, %v", l, err)
	}
}

// FuzzRead: whatever is published is read or refused, and what is read can be written
// and read again.
func FuzzRead(f *testing.F) {
	for _, c := range captured {
		p, _ := ReadText(c.data)
		f.Add(int(c.kind), p.raw)
	}
	f.Add(3, []byte(asked))
	attachment, _ := hex.DecodeString("84a47479706503a46461746182a67061636b657482a47479706502a46461746192a362696ec403010203a46f70747383a5726f6f6d7390a665786365707490a5666c61677380a3756964a161a36e7370a12f")
	f.Add(3, attachment)
	f.Fuzz(func(t *testing.T, k int, data []byte) {
		_, _ = ReadText(base64.StdEncoding.EncodeToString(data))
		p, err := Read(data)
		if err != nil {
			return
		}
		_, _ = ReadWhole(p)
		m, err := Meaning(Kind(k), p)
		if err != nil || m == nil {
			return
		}
		for _, raw := range m.Args {
			if !parser.Valid(raw) {
				t.Fatalf("argument %q", raw)
			}
		}
		again, words, ok := Body(m)
		if !ok {
			t.Fatalf("%+v is not written", m)
		}
		out, err := Write(words, len(m.Attachments) > 0)
		if err != nil {
			return // numbers that neither form has
		}
		if p, err = Read(out); err != nil {
			t.Fatalf("%+v was written as %q", m, out)
		}
		if back, err := Meaning(again, p); err != nil || back.Kind != m.Kind || back.Event != m.Event || !reflect.DeepEqual(back.Attachments, m.Attachments) {
			t.Fatalf("%+v came back as %+v, %v", m, back, err)
		}
	})
}
