// Package nodewire is the language that Node's Socket.IO servers speak with each other,
// as the ClusterAdapter of socket.io-adapter has it: a [socketio.Message] becomes JSON or
// MessagePack as Node writes it, and what Node writes becomes a message again. How it gets
// from one server to the other is for the packages that import this one, one for each
// database, so that none of them brings the client of another.
//
// What cannot be read is an error and never a panic. Options are always written whole: a
// Node server that reads a stream stops for good at an entry without them.
package nodewire
