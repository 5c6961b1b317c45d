package socketio

import "encoding/json"

// MessageKind says what a [Message] asks of a server, or answers.
type MessageKind string

// The kinds of messages. Servers pass over those that they do not know. Each says
// which fields it has besides Kind, From, To and Namespace; target means Rooms and
// Except, event means Event, Args and Attachments.
const (
	MessageEvent      MessageKind = "event"      // target, event, Volatile, Uncompressed: send it
	MessageAsk        MessageKind = "ask"        // the same with Request and Millis: send it, and pass the acknowledgements on
	MessageCount      MessageKind = "count"      // answers ask with Request, Count: how many sockets were asked
	MessageAnswer     MessageKind = "answer"     // answers ask with Request, Args, Attachments: one acknowledgement, or with None none
	MessageJoin       MessageKind = "join"       // target, Names: put sockets into rooms
	MessageLeave      MessageKind = "leave"      // target, Names: take them out of rooms
	MessageDisconnect MessageKind = "disconnect" // target, Close: put them out
	MessageFetch      MessageKind = "fetch"      // target, Request: list them
	MessageSockets    MessageKind = "sockets"    // answers fetch with Request, Sockets
	MessageServer     MessageKind = "server"     // event, and Request where an answer is wanted: call OnServerSide
	MessageReply      MessageKind = "reply"      // answers server with Request, Args, Attachments, or with None nothing
	MessageRecord     MessageKind = "record"     // Names, Request: the record of a session that another server takes up
	MessageKept       MessageKind = "kept"       // answers record with Request, Record
)

// Message is what servers tell each other. It marshals as JSON, which the clusters of
// this module speak; those for another wire translate it.
type Message struct {
	Kind         MessageKind       `json:"kind"`
	From         string            `json:"from"`              // the sender's id; "" where the wire does not tell
	To           string            `json:"to,omitempty"`      // "" for all others
	Request      string            `json:"request,omitempty"` // what is answered; unique at the asker
	Namespace    string            `json:"nsp,omitempty"`     // "/" or "/name"
	Rooms        []string          `json:"rooms,omitempty"`
	Except       []string          `json:"except,omitempty"`
	Names        []string          `json:"names,omitempty"`
	Event        string            `json:"event,omitempty"`
	Args         []json.RawMessage `json:"args,omitempty"`
	Attachments  [][]byte          `json:"attachments,omitempty"` // what placeholders in Args stand for
	Volatile     bool              `json:"volatile,omitempty"`
	Uncompressed bool              `json:"plain,omitempty"`
	Close        bool              `json:"close,omitempty"`
	None         bool              `json:"none,omitempty"`
	Count        int               `json:"count,omitempty"`
	Millis       int64             `json:"millis,omitempty"` // for how long an answer is of use
	Sockets      []RemoteRecord    `json:"sockets,omitempty"`
	Record       *SessionRecord    `json:"record,omitempty"` // nil where there is none
}

// RemoteRecord is a [RemoteSocket] on its way between servers.
type RemoteRecord struct {
	ID        string          `json:"id"`
	Rooms     []string        `json:"rooms"`
	Handshake json.RawMessage `json:"handshake"`
	Data      json.RawMessage `json:"data,omitempty"`
}

// answers reports whether a message of the kind goes to who asked.
func (k MessageKind) answers() bool {
	switch k {
	case MessageCount, MessageAnswer, MessageSockets, MessageReply, MessageKept:
		return true
	}
	return false
}
