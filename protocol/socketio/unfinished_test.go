package socketio

import (
	"testing"
	"testing/synctest"
	"time"

	"podium/protocol/engineio"
)

func TestAttachmentsThatDoNotComeEndTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newTestServer(t, Options{Engine: engineio.Options{BodyTimeout: 20 * time.Second}})
		w := newWire(srv)
		w.join(t, "/")
		say := func(binary bool, data string) { w.client.OnMessage([]byte(data), binary) }
		for range 3 { // each packet has its own time
			say(false, `52-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
			say(true, "a")
			time.Sleep(19 * time.Second)
			say(true, "b")
		}
		time.Sleep(time.Minute)
		if w.client.ended() {
			t.Fatal("a client whose attachments came was put out")
		}
		say(false, `52-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
		time.Sleep(19 * time.Second)
		say(true, "a")
		if w.client.ended() {
			t.Fatal("put out too early")
		}
		time.Sleep(2 * time.Second)
		if synctest.Wait(); !w.client.ended() {
			t.Error("the client may leave attachments out for ever")
		}
	})
}

// A peer that does not hang up after it was put out keeps the connection for a while, but
// not the attachments that had come.
func TestAttachmentsGoWhenTheConnectionHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newTestServer(t, Options{})
		w := newWire(srv)
		w.join(t, "/")
		w.client.OnMessage([]byte(`52-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`), false)
		w.client.OnMessage(make([]byte, 1<<20), true)
		w.client.fail(errNoMemory)
		if synctest.Wait(); !w.client.ended() {
			t.Fatal("the connection goes on")
		}
		w.client.OnMessage([]byte("what was on its way"), true)
		if w.client.dec.Load() != nil || w.client.part.Load() != nil {
			t.Error("what was decoded is kept")
		}
	})
}
