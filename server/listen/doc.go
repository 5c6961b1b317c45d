// Package listen takes connections: from the first moment, while the server behind them
// is still opening its store, and to the last, when a stop waits for what was read. It
// counts them by address, and takes over the socket that systemd hands over. Where QUIC
// is served too it holds the UDP port for it.
//
// Connections come in, requests go out to the one handler that Open is given.
package listen
