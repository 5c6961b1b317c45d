package engineio_test

import (
	"testing"
	"testing/synctest"
	"time"

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

func TestAPollIsEndedForAnUpgradeOnlyWhenItsWebSocketCarriesBothWays(t *testing.T) {
	for _, young := range []bool{true, false} {
		inBubble(t, engineio.Options{}, func(b *bubble) {
			b.open(4)
			w := b.dialWebSocket(websocketQuery(b))
			w.mute = true
			a := b.get()
			if !young {
				time.Sleep(time.Second)
			}
			w.send("2probe")
			time.Sleep(time.Second)
			synctest.Wait()
			if a.done() || !w.probed() {
				t.Fatalf("answered %q, probed %v", a.body, w.probed())
			}
			w.sendFrame(0x8a, "") // a pong
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			if a.body != "6" {
				t.Errorf("the poll got %q", a.body)
			}
			w.send("5")
			_ = b.session.Send(engineio.Text([]byte("x")))
			synctest.Wait()
			if b.ended() || w.closed() {
				t.Error("the upgrade failed")
			}
		})
	}
}

func TestAClientWhoseWebSocketSwallowsWhatComesIsTold(t *testing.T) {
	inBubble(t, engineio.Options{UpgradeTimeout: 3 * time.Second}, func(b *bubble) {
		b.open(4)
		w := b.dialWebSocket(websocketQuery(b))
		w.mute = true
		w.send("2probe")
		a := b.get()
		time.Sleep(3*time.Second + time.Millisecond)
		synctest.Wait()
		if a.body != "1" || !b.ended() || b.reasons[0] != engineio.ReasonTransportError {
			t.Errorf("the poll got %q, ended %v", a.body, b.reasons)
		}
	})
}
