package engineio_test

import (
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"podium/protocol/engineio"
)

// machine drives one session through actions in any order and knows what must
// hold: messages arrive in order, none twice, none lost while the session
// lives; its end is reported once, last; and nothing is left behind.
type machine struct {
	*bubble
	kind   kind
	poll   *answer
	probe  *socket  // a WebSocket that was dialled
	live   *socket  // the one that the session uses
	sent   int      // messages that the server accepted
	posted []string // messages that the client sent
	pinged int      // packets looked at for pings
	pings  int      // that the client sent, in protocol 3
	asked  bool     // the server asked the session to close: it takes nothing more
	slow   *answer  // a POST whose body has not arrived in whole
	excuse bool     // something was done that may end the session
}

// actions are what a byte of the fuzzer's input stands for, below 204.
var actions = []func(*machine){
	(*machine).startPoll, (*machine).startPoll, (*machine).sendFromServer, (*machine).sendFromServer,
	(*machine).sendFromClient, (*machine).cancelPoll, (*machine).dialProbe, (*machine).sendProbe,
	(*machine).sendUpgrade, (*machine).closeProbe, (*machine).closeFromServer, (*machine).closeFromClient,
	(*machine).letTimePass, (*machine).answerPing, (*machine).sendGarbage, (*machine).upgradeProperly,
	(*machine).letAMomentPass,
}

// moreActions are what bytes from 204 on stand for.
var moreActions = []func(*machine){
	(*machine).beginPost, (*machine).finishPost, (*machine).abortPost, (*machine).broadcastFromServer,
}

// inTraffic are what bytes from 240 on stand for: the server sends meanwhile. With
// all others everything settles before the next begins.
var inTraffic = []func(*machine){
	(*machine).sendUpgrade, (*machine).startPoll, (*machine).sendProbe,
	(*machine).closeFromServer, (*machine).closeFromClient, (*machine).shutDown,
}

func actionOf(b byte) func(*machine) {
	switch {
	case b < 204:
		return actions[int(b)%len(actions)]
	case b < 240:
		return moreActions[int(b-204)%len(moreActions)]
	}
	action := inTraffic[int(b-240)%len(inTraffic)]
	return func(m *machine) { m.inTraffic(action) }
}

// post sends a POST, even while there is one.
func (m *machine) post(body string) *answer {
	m.excuse = m.excuse || m.slow != nil
	return m.bubble.post(body)
}

func (m *machine) polling() bool { return m.poll != nil && !m.poll.done() }

func (m *machine) startPoll() {
	if m.live != nil {
		if a := m.get(); a.status != 400 && !m.ended() {
			m.Fatalf("a poll after the upgrade got %d %q", a.status, a.body)
		}
		return
	}
	before, alive := m.poll, !m.ended()
	twice := m.polling()
	m.excuse = m.excuse || twice
	m.poll = m.get()
	if twice && alive {
		synctest.Wait()
		if !m.ended() || !before.done() || m.poll.status != 400 {
			m.Fatalf("two polls at once: ended %v, answers %d and %d", m.ended(), before.status, m.poll.status)
		}
	}
}

func (m *machine) sendFromServer() {
	for range 2 {
		if m.session.Send(m.message(m.sent)) == nil {
			m.sent++
		}
	}
	synctest.Wait()
}

// broadcastFromServer sends in the other ways that there are.
func (m *machine) broadcastFromServer() {
	if m.session.Post(m.message(m.sent)) == nil {
		m.sent++
	}
	if m.sendText(m.sent) == nil {
		m.sent++
	}
	synctest.Wait()
}

// inTraffic does an action while the server sends. A poll that waits gets its
// answer first: on two connections at once nobody could tell the order.
func (m *machine) inTraffic(action func(*machine)) {
	if m.polling() {
		m.sendFromServer()
	}
	sent := make(chan int)
	go func() {
		n := m.sent
		for range 40 {
			if m.sendInTurn(n) == nil {
				n++
			}
			for range n % 8 {
				runtime.Gosched()
			}
		}
		sent <- n
	}()
	action(m)
	m.sent = <-sent
	synctest.Wait()
}

// sendInTurn sends a message in one of the ways that there are.
func (m *machine) sendInTurn(n int) error {
	switch n % 3 {
	case 0:
		return m.session.Send(m.message(n))
	case 1:
		return m.session.Post(m.message(n))
	}
	return m.sendText(n)
}

// sendText sends a message with SendText, if it is text.
func (m *machine) sendText(n int) error {
	if m.binary(n) {
		return m.session.Send(m.message(n))
	}
	return m.session.SendText([]byte(textOf(n)))
}

func (m *machine) sendFromClient() {
	n := len(m.posted)
	if m.live != nil {
		m.sendOverWebSocket(n)
		m.accepted(m.seen(n))
		return
	}
	alive, overlap := !m.ended(), m.slow != nil
	if a := m.postPacket(m.textPacket(n)); a.status == 200 {
		if overlap && alive {
			m.Fatalf("two POSTs at once were taken")
		}
		m.accepted(m.seen(n))
	} else if alive && !m.ended() {
		m.Fatalf("POST got %d %q", a.status, a.body)
	}
}

// accepted notes a message that the server has to get, unless it was asked to close
// the session.
func (m *machine) accepted(message string) {
	if !m.asked {
		m.posted = append(m.posted, message)
	}
}

// beginPost sends a POST but for the end of its body.
func (m *machine) beginPost() {
	start := "4"
	if m.kind&protocol3 != 0 {
		start = "5:4"
	}
	if m.slow == nil && m.live == nil {
		m.slow = m.requestInPart("POST", m.query, start, len(start+textOf(0)))
	}
}

// finishPost sends the rest. A session that was upgraded meanwhile, or was closing
// already, still answers.
func (m *machine) finishPost() {
	if m.slow == nil {
		return
	}
	alive := !m.ended()
	text := textOf(len(m.posted))
	_, _ = m.slow.conn.Write([]byte(text)) // where it was refused, nobody reads it
	synctest.Wait()
	if a := m.slow; a.status == 200 {
		m.accepted(text)
	} else if alive && !m.ended() {
		m.Fatalf("the rest of a POST got %d %q", a.status, a.body)
	}
	m.slow = nil
}

// abortPost breaks the connection of a POST, which ends the session.
func (m *machine) abortPost() {
	if m.slow == nil {
		return
	}
	m.excuse = true
	_ = m.slow.conn.Close()
	m.slow = nil
	synctest.Wait()
	if !m.ended() {
		m.Fatalf("the session outlives a POST that was cut")
	}
}

func (m *machine) cancelPoll() {
	if !m.polling() {
		return
	}
	m.excuse = true
	_ = m.poll.conn.Close()
	m.poll = nil
	if m.kind&silent == 0 {
		m.session.LoseParkedPoll()
	}
	synctest.Wait()
}

func (m *machine) dialProbe() {
	if w := m.dialWebSocket(websocketQuery(m.bubble)); m.probe == nil || m.probe.closed() {
		m.probe = w
	} else {
		_ = w.conn.Close() // a second one, while the first is there: refused
		synctest.Wait()
	}
}

func (m *machine) sendProbe() {
	if m.probe == nil {
		return
	}
	if m.probe == m.live { // a ping, which only clients of protocol 3 may send
		m.excuse = m.excuse || m.kind&protocol3 == 0
		m.pingSent()
	}
	m.probe.send("2probe")
}

// sendUpgrade completes an upgrade after the probe was answered. A client
// should, but need not, wait until its poll has ended.
func (m *machine) sendUpgrade() {
	if m.probe == nil || m.live != nil {
		return
	}
	ready := m.probe.probed() && !m.probe.closed() && !m.ended()
	m.probe.send("5")
	if m.session.Transport() == engineio.TransportWebSocket {
		m.live = m.probe
	} else if ready && !m.ended() { // traffic may have been too much for it; check says whether that is allowed
		m.Fatalf("the upgrade was not completed")
	}
}

func (m *machine) upgradeProperly() {
	if m.probe == nil || m.probe.closed() {
		m.dialProbe()
	}
	m.sendProbe()
	m.letAMomentPass()
	m.sendUpgrade()
}

func (m *machine) closeProbe() {
	if m.probe == nil {
		return
	}
	m.excuse = m.excuse || m.probe == m.live
	_ = m.probe.conn.Close()
	synctest.Wait()
	if m.live == m.probe && !m.ended() {
		m.Fatalf("the session outlives its WebSocket")
	}
	m.probe = nil
}

func (m *machine) closeFromServer() {
	m.askToClose(m.session.Close)
}

// askToClose calls f, which lets the server close the session and breaks off the POST
// in progress. One that begins later is answered.
func (m *machine) askToClose(f func()) {
	first := !m.asked && !m.ended()
	m.asked, m.excuse = true, true
	f()
	if synctest.Wait(); !first || m.slow == nil {
		return
	}
	if !m.slow.done() {
		m.Fatalf("a POST goes on while its session closes")
	}
	m.slow = nil
}

// shutDown ends the whole server, which asks the session to close; the bubble's
// end waits for it.
func (m *machine) shutDown() {
	m.askToClose(func() {
		go func() { _ = m.engine.Shutdown(m.Context()) }()
	})
}

func (m *machine) closeFromClient() {
	m.excuse = true
	if m.live != nil {
		m.live.send("1")
	} else {
		m.postPacket("1")
		time.Sleep(60 * time.Millisecond) // without a poll it waits for one
		synctest.Wait()
	}
	if !m.ended() {
		m.Fatalf("the client's close did not end the session")
	}
}

func (m *machine) sendGarbage() {
	m.excuse = true
	if m.live != nil {
		m.live.send("x")
	} else {
		m.post("x")
	}
	if !m.ended() {
		m.Fatalf("an invalid packet did not end the session")
	}
}

func (m *machine) letTimePass() {
	m.excuse = m.excuse || m.slow != nil // it may take too long
	time.Sleep(3 * time.Second)
	synctest.Wait()
}

// letAMomentPass is long enough for a probe to have ended the poll.
func (m *machine) letAMomentPass() {
	time.Sleep(20 * time.Millisecond)
	synctest.Wait()
}

// answerPing answers a ping that has come. In protocol 3 it is the client who pings.
func (m *machine) answerPing() {
	if m.kind&protocol3 != 0 {
		m.ping()
		return
	}
	m.guard.Lock()
	found := slices.Contains(m.packets[m.pinged:], "2")
	m.pinged = len(m.packets)
	m.guard.Unlock()
	if !found {
		return
	}
	if m.live != nil {
		m.live.send("3")
	} else {
		m.post("3")
	}
}

func (m *machine) ping() {
	switch {
	case m.live != nil:
		m.live.send("2")
	case m.postPacket("2").status != 200:
		return
	}
	m.pingSent()
}

// pingSent notes a ping that a client of protocol 3 sent.
func (m *machine) pingSent() {
	if !m.asked {
		m.pings++
	}
}

// pongs is how many the client got.
func (m *machine) pongs() (n int) {
	m.guard.Lock()
	defer m.guard.Unlock()
	for _, p := range m.packets {
		if p == "3" {
			n++
		}
	}
	return n
}

// check compares with what must hold at every moment.
func (m *machine) check() {
	m.Helper()
	for i, got := range m.messages() {
		if got != m.seen(i) {
			m.Fatalf("the client got %v", m.messages())
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, got := range m.got {
		if i >= len(m.posted) || got != m.posted[i] {
			m.Fatalf("the server got %v of %v", m.got, m.posted)
		}
	}
	if len(m.reasons) > 0 && !m.excuse && m.kind&impatient == 0 && m.reasons[0] != engineio.ReasonPingTimeout {
		m.Fatalf("ended without need: %v", m.reasons)
	}
	if len(m.reasons) > 1 {
		m.Fatalf("ended more than once: %v", m.reasons)
	}
	if len(m.reasons) == 0 && len(m.got) != len(m.posted) {
		m.Fatalf("the server got %d of %d messages", len(m.got), len(m.posted))
	}
	if len(m.reasons) > 0 && m.polling() {
		m.Fatalf("a poll is left of a session that ended: %v", m.reasons)
	}
}

// drain takes what is queued, as a client that goes on does.
func (m *machine) drain() {
	if m.ended() {
		return
	}
	if m.live == nil && !m.polling() {
		m.poll = m.get()
	}
	if got := len(m.messages()); got != m.sent && !m.ended() {
		m.Fatalf("the client got %d of %d messages", got, m.sent)
	}
	if got := m.pongs(); got != m.pings && !m.ended() {
		m.Fatalf("the client got %d of %d pongs", got, m.pings)
	}
}

func runMachine(t *testing.T, script []byte, k kind) {
	inBubble(t, k.options(), func(b *bubble) {
		m := &machine{bubble: b, kind: k}
		m.open()
		for _, action := range script {
			actionOf(action)(m)
			m.check()
		}
		m.finishPost()
		m.drain()
		m.check()
		m.closeFromServer()
		for _, w := range []*socket{m.probe, m.live} {
			if w != nil {
				_ = w.conn.Close()
			}
		}
		if m.polling() {
			_ = m.poll.conn.Close()
		}
	})
}

// FuzzSession runs a session through any interleaving of polls, POSTs, steps of
// an upgrade, cancellations, closes and time, for any kind of session.
func FuzzSession(f *testing.F) {
	for i, script := range [][]byte{
		[]byte{0, 2, 4, 0, 2},                      // polling
		[]byte{0, 6, 2, 7, 0, 2, 8, 2, 4, 13, 12},  // an upgrade with traffic
		[]byte{15, 2, 4, 12, 12, 12, 12, 13, 2, 9}, // on WebSocket
		[]byte{6, 7, 0, 0, 0, 0, 5, 2, 8, 2},       // a poll cancelled while upgrading
		[]byte{6, 7, 2, 10, 8},                     // closed by the server while upgrading
		[]byte{0, 0},                               // two polls
		[]byte{2, 2, 10, 0},                        // closed with messages queued
		[]byte{6, 9, 6, 7, 9, 0, 6, 12, 12, 12, 12, 2, 0},
		[]byte{204, 0, 2, 205, 4, 207, 0},        // a POST that takes its time
		[]byte{204, 4},                           // two POSTs
		[]byte{0, 204, 6, 7, 16, 8, 205, 4, 207}, // one that outlives the upgrade
		[]byte{204, 206, 0},                      // one that is cut
		[]byte{204, 10, 205, 0},                  // one during the end
		[]byte{2, 6, 7, 16, 240, 4, 2},           // an upgrade that ends in traffic
		[]byte{241, 0, 241, 6, 242, 240, 241},    // polls and a probe in traffic
		[]byte{0, 2, 243, 241, 0},                // closed by the server in traffic
		[]byte{15, 243},                          // on WebSocket
		[]byte{0, 244},                           // by the client
		[]byte{2, 245, 0, 2},                     // the server shuts down
		[]byte{6, 7, 245, 240},                   // in the middle of an upgrade
		[]byte{15, 204, 245, 205},
	} {
		f.Add(script, byte(0))
		f.Add(script, byte(i*5))
	}
	f.Add([]byte{0, 16, 2, 0, 16, 4, 2}, byte(parking|withBinary))
	f.Add([]byte{0, 16, 6, 7, 5, 8, 2}, byte(parking)) // parked, then cancelled while upgrading
	f.Add([]byte{0, 16, 5, 2}, byte(parking))
	f.Add([]byte{6, 0, 16, 5, 7, 8, 2}, byte(parking|silent)) // its end for the upgrade's sake goes nowhere
	f.Add([]byte{0, 16, 5, 2, 0}, byte(parking|silent))
	f.Add([]byte{13, 0, 4, 4, 2, 2, 0, 15, 13, 2, 2, 4, 4}, byte(protocol3|withBinary))
	f.Add([]byte{13, 0, 4, 4, 2, 2, 0, 15, 13, 2, 2, 4, 4}, byte(protocol3|withBinary|asBase64))
	f.Add([]byte{2, 2, 4, 4, 13, 12, 12}, byte(fromWebSocket|protocol3|withBinary))
	f.Add([]byte{241, 2, 207, 2}, byte(impatient))
	f.Fuzz(func(t *testing.T, script []byte, k byte) {
		if len(script) > 60 {
			t.Skip("longer than is useful")
		}
		runMachine(t, script, kind(k))
	})
}
