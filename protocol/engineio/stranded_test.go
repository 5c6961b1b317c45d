package engineio_test

import (
	"testing"
	"testing/synctest"

	"podium/protocol/engineio"
)

func TestAClientWhoseWebSocketBreaksWhileItsLastPollWaitsIsTold(t *testing.T) {
	inBubble(t, engineio.Options{}, func(b *bubble) {
		b.open(4)
		w := b.dialWebSocket(websocketQuery(b))
		a := b.get() // young: it is not ended at once
		w.send("2probe")
		if a.done() || !w.probed() {
			t.Fatalf("answered %q, probed %v", a.body, w.probed())
		}
		_ = w.conn.Close()
		synctest.Wait()
		if a.body != "1" || !b.ended() {
			t.Errorf("the poll got %q, ended %v", a.body, b.ended())
		}
	})
}

func TestAPollThatComesDuringAnUpgradeFailsWithItsWebSocket(t *testing.T) {
	inBubble(t, engineio.Options{}, func(b *bubble) {
		b.open(4)
		w := b.dialWebSocket(websocketQuery(b))
		w.send("2probe")
		a := b.get() // waits for a moment
		_ = w.conn.Close()
		synctest.Wait()
		if a.body != "1" || !b.ended() || b.reasons[0] != engineio.ReasonTransportError {
			t.Errorf("the poll got %q, ended %v", a.body, b.reasons)
		}
	})
}

func TestAProbeThatBreaksWhileNoPollWaitsLeavesTheSessionPolling(t *testing.T) {
	inBubble(t, engineio.Options{}, func(b *bubble) {
		b.open(4)
		w := b.dialWebSocket(websocketQuery(b))
		w.send("2probe")
		_ = w.conn.Close()
		synctest.Wait()
		a := b.get()
		_ = b.session.Send(engineio.Text([]byte("x")))
		synctest.Wait()
		if a.body != "4x" || b.ended() {
			t.Errorf("the poll got %q, ended %v", a.body, b.ended())
		}
	})
}
