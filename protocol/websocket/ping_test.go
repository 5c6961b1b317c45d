package websocket

import "testing"

// pingReply is a recorder that asks for a pong behind each message it sends back.
type pingReply struct {
	*recorder
	pongs chan string
}

func (p *pingReply) OnMessage(c *Conn, op Opcode, data []byte) {
	p.recorder.OnMessage(c, op, data)
	_ = c.Ping()
}

func (p *pingReply) OnPong(_ *Conn, payload []byte) { p.pongs <- string(payload) }

func TestAPeerIsAskedForAPongAndItsHandlerTold(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		p := &pingReply{newRecorder(nil), make(chan string, 2)}
		h := serve(t, mode, Options{}, func() Handler { return p })
		c := h.dial(t)
		c.write(masked(bitFin|byte(OpText), "hi"))
		c.want(bitFin|byte(OpText), "hi")
		c.want(bitFin|byte(opPing), "")
		c.write(masked(bitFin|byte(opPong), "one"))
		if got := <-p.pongs; got != "one" {
			t.Errorf("pong %q", got)
		}
		conn := <-h.conns
		if err := conn.Ping(); err != nil { // from elsewhere
			t.Error(err)
		}
		c.want(bitFin|byte(opPing), "")
		conn.Close(CloseNormal, "")
		if err := conn.Ping(); err == nil {
			t.Error("a ping after the end")
		}
	})
}
