package emitter

import "podium/protocol/socketio"

// Entry returns the entry of a log that says what a message does; ok is false for one
// that is told and not logged, as volatile events are.
func Entry(m *socketio.Message) (e socketio.Entry, ok bool) {
	e = socketio.Entry{
		Namespace: m.Namespace, Rooms: m.Rooms, Except: m.Except, Event: m.Event, Args: m.Args, Attachments: m.Attachments,
		Uncompressed: m.Uncompressed, Names: m.Names, Close: m.Close,
	}
	switch m.Kind {
	case socketio.MessageEvent:
		e.Kind = socketio.KindEvent
		return e, !m.Volatile
	case socketio.MessageJoin:
		e.Kind = socketio.KindJoin
	case socketio.MessageLeave:
		e.Kind = socketio.KindLeave
	case socketio.MessageDisconnect:
		e.Kind = socketio.KindDisconnect
	default:
		return e, false
	}
	return e, true
}
