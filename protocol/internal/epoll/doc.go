// Package epoll makes an epoll instance with an eventfd that wakes its goroutine
// (epoll(7), eventfd(2)), as the event loop of WebSockets and the idle poller of
// long-polling both need one, and takes over the descriptors that they watch. What is
// watched is theirs to say.
package epoll
