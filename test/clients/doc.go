// Package clients holds the tests with the official Socket.IO clients, and with those
// that fall back to event streams and polling. Its scripts (.cjs) run in Node.
package clients
