package socketio

import (
	"sync"
	"time"

	"podium/protocol/engineio"
	"podium/protocol/socketio/parser"
)

// flags say how an event is sent.
type flags struct {
	volatile   bool
	local      bool
	uncompress bool
	relayed    bool // it came from another server
	timeout    time.Duration
}

// encode turns an event into messages.
func (n *Namespace) encode(event string, id int64, args []any) ([]*engineio.Message, error) {
	n.server.warnOfBase64(event, args)
	p := parser.Packet{Type: parser.Event, Namespace: n.name, ID: id, Event: event, Args: args}
	return n.server.opts.Parser.Encode(&p)
}

// compressible applies the compress flag.
func (f flags) compressible(ms []*engineio.Message) []*engineio.Message {
	if !f.uncompress {
		return ms
	}
	plain := make([]*engineio.Message, len(ms))
	for i, m := range ms {
		plain[i] = m.Uncompressed()
	}
	return plain
}

// outgoing is an event on its way to several sockets: encoded once.
type outgoing struct {
	nsp      *Namespace
	event    string
	args     []any
	entries  []Entry // instead of event and args, where it comes from the log
	messages []*engineio.Message
	volatile bool
	post     bool // to many: the writing is left to the connections

	once     sync.Once // guards the making of listened
	listened Args      // args as listeners see them
}

// asArgs returns the arguments for listeners, which are rare.
func (o *outgoing) asArgs() Args {
	o.once.Do(func() { o.listened = argsOf(o.args) })
	return o.listened
}

// argsOf turns arguments of Emit into what a listener sees.
func argsOf(args []any) Args {
	raw, attachments, err := parser.MarshalArgs(args)
	if err != nil {
		return nil
	}
	return parser.UnmarshalArgs(raw, attachments)
}

// sendTo delivers to one socket. It does not block, and allocates nothing once the
// socket is open.
func (o *outgoing) sendTo(s *Socket) error {
	st := s.life()
	if st == stateConnecting || st.ended() || s.barred.Load() {
		return ErrDisconnected
	}
	if o.volatile && (st == stateReplaying || !s.client.conn.Writable()) {
		return nil
	}
	if s.listensOutgoing() {
		o.notify(s)
	}
	if st.joining() {
		if held, err := s.hold(o.messages); held {
			return err
		}
	}
	if !o.post {
		return s.client.Send(o.messages...)
	}
	if s.client.conn.Post(o.messages...) != nil {
		return ErrDisconnected
	}
	return nil
}

func (s *Socket) listensOutgoing() bool {
	if len(s.nsp.hooks.load().anyOut) > 0 || len(s.ownHooks().anyOut) > 0 {
		return true
	}
	return s.nsp.parent != nil && len(s.nsp.parent.nsp.hooks.load().anyOut) > 0
}

func (o *outgoing) notify(s *Socket) {
	for _, t := range s.nsp.tables(s) {
		for _, l := range t.anyOut {
			s.nsp.server.guard(s, StageListener, func() { o.tell(l, s) })
		}
	}
}

func (o *outgoing) tell(l *listener, s *Socket) {
	if o.entries == nil {
		l.f(s, o.event, o.asArgs())
		return
	}
	for _, e := range o.entries {
		l.f(s, e.Event, parser.UnmarshalArgs(e.Args, e.Attachments))
	}
}

// emit sends an event to those that t addresses.
func (n *Namespace) emit(t target, f flags, event string, args []any) error {
	if parser.Reserved(event) {
		return ErrReservedEvent
	}
	if n.kids != nil {
		for _, k := range n.family() {
			if err := k.emit(t, f, event, args); err != nil {
				return err
			}
		}
		return nil
	}
	if !f.relayed {
		n.counts.of(event).emitted.Add(1)
	}
	if pub := n.server.publisher; pub != nil {
		if pub.appender != nil && !f.volatile && !f.local {
			return pub.append(n, t, f, event, args)
		}
		if endsInString(args) {
			return pub.unlogged(n, t, f, event, args)
		}
	}
	if err := n.deliverHere(t, f, event, args, args); err != nil {
		return err
	}
	return n.deliverElsewhere(t, f, event, args)
}

// deliverHere encodes sent and delivers it to this server's sockets.
func (n *Namespace) deliverHere(t target, f flags, event string, args, sent []any) error {
	ms, err := n.encode(event, parser.NoID, sent)
	if err != nil {
		return err
	}
	o := &outgoing{nsp: n, event: event, args: args, messages: f.compressible(ms), volatile: f.volatile}
	n.deliver(t, o)
	return nil
}

// deliverElsewhere passes an event on to the other servers.
func (n *Namespace) deliverElsewhere(t target, f flags, event string, args []any) error {
	if c := n.server.cluster; c != nil && !f.local && !f.relayed {
		return c.broadcast(n, t, f, event, args)
	}
	return nil
}

// deliver sends o to those that t addresses. Sockets that are closing are
// passed over.
func (n *Namespace) deliver(t target, o *outgoing) {
	o.post = true
	events := max(1, len(o.entries))
	n.roster.each(t, uint64(events), func(s *Socket) { _ = o.sendTo(s) })
}

// emitTo sends an event to one socket.
func (s *Socket) emitTo(f flags, event string, args []any) error {
	if parser.Reserved(event) {
		return ErrReservedEvent
	}
	n := s.nsp
	n.counts.of(event).emitted.Add(1)
	if pub := n.server.publisher; pub != nil && s.Protocol() != 3 {
		if pub.appender != nil && !f.volatile {
			return pub.append(n, target{rooms: []string{s.id}}, f, event, args)
		}
		if endsInString(args) {
			return pub.unloggedTo(s, f, event, args)
		}
	}
	return s.emitToNow(f, event, args, args)
}

func (s *Socket) emitToNow(f flags, event string, args, sent []any) error {
	if !s.Connected() {
		return ErrDisconnected
	}
	ms, err := s.nsp.encode(event, parser.NoID, sent)
	if err != nil {
		return err
	}
	o := outgoing{nsp: s.nsp, event: event, args: args, messages: f.compressible(ms), volatile: f.volatile}
	return o.sendTo(s)
}

// endsInString reports whether an official client would take the event's last
// argument for a recovery offset. It counts the event's name as the first.
func endsInString(args []any) bool {
	if len(args) == 0 {
		return true
	}
	return parser.IsString(args[len(args)-1])
}

// Emit sends an event to the client. It does not wait for the client: what cannot
// leave at once is queued, and a client whose queue overflows is disconnected. Packets
// arrive in the order of emitting. It waits for the log, [Recovery].LogTimeout at most,
// where the event is logged, and for [Cluster].Send where it is a message to other
// servers; it never blocks otherwise.
//
// Arguments are encoded as [encoding/json] does, without escaping HTML; for
// bytes see [Binary]. The error is [ErrDisconnected] or of encoding.
//
// With a [Recovery.Log] that is an [Appender] the event is logged, and reaches
// a client that is away when it comes back.
func (s *Socket) Emit(event string, args ...any) error { return s.emitTo(flags{}, event, args) }

// Send emits the event "message".
func (s *Socket) Send(args ...any) error { return s.emitTo(flags{}, "message", args) }

// Volatile returns an emitter whose events are dropped where they could not
// leave at once.
func (s *Socket) Volatile() Emitter { return Emitter{socket: s, flags: flags{volatile: true}} }

// Compress returns an emitter whose events are compressed or not, where the
// connection negotiated compression. The default is true.
func (s *Socket) Compress(on bool) Emitter { return Emitter{s, flags{uncompress: !on}} }

// Timeout returns an emitter whose EmitWithAck waits no longer than d. Zero or
// less leaves it to the context alone.
func (s *Socket) Timeout(d time.Duration) Emitter { return Emitter{s, flags{timeout: d}} }

// Broadcast addresses everybody in the namespace but this socket.
func (s *Socket) Broadcast() Broadcast { return s.nsp.Except(s.id) }

// To addresses those in any of the rooms, but not this socket.
func (s *Socket) To(rooms ...string) Broadcast { return s.nsp.To(rooms...).Except(s.id) }

// In is To.
func (s *Socket) In(rooms ...string) Broadcast { return s.To(rooms...) }

// Except addresses everybody but this socket and those in any of the rooms.
func (s *Socket) Except(rooms ...string) Broadcast { return s.nsp.Except(s.id).Except(rooms...) }

// Local addresses everybody on this server but this socket.
func (s *Socket) Local() Broadcast { return s.Broadcast().Local() }

// Emitter emits to one socket with flags. Its methods return changed copies.
type Emitter struct {
	socket *Socket
	flags  flags
}

// Volatile is [Socket.Volatile].
func (e Emitter) Volatile() Emitter { e.flags.volatile = true; return e }

// Compress is [Socket.Compress].
func (e Emitter) Compress(on bool) Emitter { e.flags.uncompress = !on; return e }

// Timeout is [Socket.Timeout].
func (e Emitter) Timeout(d time.Duration) Emitter { e.flags.timeout = d; return e }

// Broadcast is [Socket.Broadcast] with the flags.
func (e Emitter) Broadcast() Broadcast { b := e.socket.Broadcast(); b.flags = e.flags; return b }

// To is [Socket.To] with the flags.
func (e Emitter) To(rooms ...string) Broadcast {
	b := e.socket.To(rooms...)
	b.flags = e.flags
	return b
}

// Emit is [Socket.Emit] with the flags.
func (e Emitter) Emit(event string, args ...any) error { return e.socket.emitTo(e.flags, event, args) }
