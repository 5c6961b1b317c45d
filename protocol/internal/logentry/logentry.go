// Package logentry writes entries of a log as bytes, for the engines that keep them so.
package logentry

import (
	"encoding/binary"
	"encoding/json"
	"errors"

	"podium/protocol/socketio"
)

// An entry is a version, a kind, a byte of flags, and then fields, each with its length
// in front; lists have the number of their items in front. Readers pass over an entry of
// a version that they do not know.

const codecVersion = 1

const (
	flagUncompressed = 1 << iota
	flagClose
)

var errEntry = errors.New("an entry that cannot be read")

// Encode writes an entry, but for its offset, time and check.
func Encode(e *socketio.Entry) []byte {
	flags := byte(0)
	if e.Uncompressed {
		flags |= flagUncompressed
	}
	if e.Close {
		flags |= flagClose
	}
	size := 64 + len(e.Event)
	for _, a := range e.Args {
		size += len(a) + 2
	}
	out := make([]byte, 0, size)
	out = append(out, codecVersion, byte(e.Kind), flags)
	out = appendField(out, e.Namespace)
	out = appendField(out, e.Event)
	out = appendField(out, e.From)
	out = appendList(out, e.Rooms)
	out = appendList(out, e.Except)
	out = appendList(out, e.Names)
	out = appendList(out, e.Args)
	return appendList(out, e.Attachments)
}

func appendField[T ~string | ~[]byte](out []byte, s T) []byte {
	out = binary.AppendUvarint(out, uint64(len(s)))
	return append(out, s...)
}

func appendList[T ~string | ~[]byte](out []byte, list []T) []byte {
	out = binary.AppendUvarint(out, uint64(len(list)))
	for _, s := range list {
		out = appendField(out, s)
	}
	return out
}

// Unreadable is the kind of an entry that cannot be read. It counts, and is passed over.
const Unreadable socketio.Kind = 255

// Decode reads what [Encode] wrote. The entry refers to data.
func Decode(data []byte) (e socketio.Entry, err error) {
	if len(data) < 3 || data[0] != codecVersion {
		return e, errEntry
	}
	e.Kind = socketio.Kind(data[1])
	e.Uncompressed, e.Close = data[2]&flagUncompressed != 0, data[2]&flagClose != 0
	r := reader{data: data[3:]}
	e.Namespace, e.Event, e.From = string(r.field()), string(r.field()), string(r.field())
	e.Rooms, e.Except, e.Names = readList[string](&r), readList[string](&r), readList[string](&r)
	e.Args, e.Attachments = readList[json.RawMessage](&r), readList[[]byte](&r)
	if r.failed {
		return socketio.Entry{}, errEntry
	}
	return e, nil
}

type reader struct {
	data   []byte
	failed bool
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.data)
	if size <= 0 || n > uint64(len(r.data)) { // lengths and numbers of items alike are less than what follows
		r.failed, r.data = true, nil
		return 0
	}
	r.data = r.data[size:]
	return n
}

func (r *reader) field() []byte {
	n := r.number()
	if n > uint64(len(r.data)) {
		r.failed, r.data = true, nil
		return nil
	}
	f := r.data[:n:n]
	r.data = r.data[n:]
	return f
}

func readList[T ~string | ~[]byte](r *reader) []T {
	n := r.number()
	if n == 0 {
		return nil
	}
	list := make([]T, 0, n)
	for range n {
		list = append(list, T(r.field()))
	}
	return list
}
