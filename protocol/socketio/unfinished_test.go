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
