package engineio_test

import (
	"strings"
	"testing"

	"podium/protocol/budget"
	"podium/protocol/engineio"
)

func TestBodiesThatArriveHaveABoundTogether(t *testing.T) {
	machine := budget.New(1 << 20)
	s := serve(t, engineio.Options{Memory: machine.Share("messages", 0)})
	body := "4" + strings.Repeat("x", 900_000)
	for range 8 {
		q := s.open()
		c := s.connect()
		c.ask("POST", q, "Content-Type: text/plain\r\n", body[:1]) // one that is whole
		c.answer()
		if _, err := c.Write([]byte("POST /engine.io/?" + q + " HTTP/1.1\r\nHost: x\r\nContent-Length: 900001\r\n\r\n" + body[:600_000])); err != nil {
			t.Fatal(err)
		}
	}
	waitUntil(t, "most sessions ended", func() bool {
		if held := machine.Held(); held > 2<<20 { // what is asked for counts until it is refused
			t.Fatalf("%d bytes are held", held)
		}
		return s.engine.Stats().Sessions <= 2
	})
	s.http.CloseClientConnections()
	waitUntil(t, "everything was given back", func() bool { return machine.Held() == 0 })
}
