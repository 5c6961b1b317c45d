// Package examples is whole small servers, one a folder, each with a client.cjs that uses
// it as the official client does. Nothing is shared between them, so that any one can be
// copied. Run one with go run ./examples/chat, and then, where socket.io-client is
// installed, node client.cjs http://localhost:3000. The test here runs them all.
package examples
