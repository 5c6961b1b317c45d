package socketio

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Of returns the namespace of that name, making it if need be. A missing
// leading slash is added; "" is the main namespace. One whose name matches a
// pattern that [Server.OfPattern] was given before is among those that the
// pattern stands for, and goes as they do: see [Options.CleanupEmptyChildNamespaces].
func (srv *Server) Of(name string) *Namespace {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	srv.mu.RLock()
	n := srv.nsps[name]
	srv.mu.RUnlock()
	if n != nil {
		return n
	}
	srv.noteName(name)
	srv.mu.Lock()
	if n = srv.nsps[name]; n != nil {
		srv.mu.Unlock()
		return n
	}
	n = srv.makeLocked(name, srv.patternLocked(name))
	hooks := srv.onNew
	srv.mu.Unlock()
	n.announce(hooks)
	return n
}

// makeLocked makes a namespace; parent is nil or what it is made for. mu must
// be held, and announce called after it.
func (srv *Server) makeLocked(name string, parent *dynamic) *Namespace {
	n := &Namespace{server: srv, name: name, parent: parent}
	if len(srv.onNew) > 0 {
		n.announced = make(chan struct{})
	}
	srv.nsps[name] = n
	if parent != nil {
		parent.list[name] = n
	}
	return n
}

// patternLocked returns the first pattern that name matches, or nil. mu must be
// held.
func (srv *Server) patternLocked(name string) *dynamic {
	for _, d := range srv.dynamics {
		if d.pattern != nil && d.pattern.MatchString(name) {
			return d
		}
	}
	return nil
}

// namespaceHook is told of new namespaces.
type namespaceHook struct{ f func(*Namespace) }

// OnNewNamespace registers f to be called for each namespace that is made from
// now on, by [Server.Of] or for a client, before a client joins it. It must not
// block.
func (srv *Server) OnNewNamespace(f func(n *Namespace)) (remove func()) {
	h := &namespaceHook{f}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.onNew = with(srv.onNew, h)
	return func() {
		srv.mu.Lock()
		defer srv.mu.Unlock()
		srv.onNew = without(srv.onNew, h)
	}
}

// OfPattern returns the namespace that stands for all whose names match.
func (srv *Server) OfPattern(pattern *regexp.Regexp) *Namespace {
	return srv.ofDynamic(&dynamic{
		match:   func(name string, _ Value) bool { return pattern.MatchString(name) },
		pattern: pattern,
	})
}

// OfFunc returns the namespace that stands for all whose names match accepts.
// match is given the client's auth payload; it must not block.
func (srv *Server) OfFunc(match func(name string, auth Value) bool) *Namespace {
	return srv.ofDynamic(&dynamic{match: match})
}

func (srv *Server) ofDynamic(d *dynamic) *Namespace {
	d.list = make(map[string]*Namespace)
	d.nsp = &Namespace{server: srv, kids: d}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	d.nsp.name = fmt.Sprintf("/_%d", len(srv.dynamics))
	srv.dynamics = append(srv.dynamics, d)
	return d.nsp
}

// findFor returns the namespace that a client asks for, with one more socket
// counted in it, or nil.
func (srv *Server) findFor(name string, auth Value) *Namespace {
	srv.mu.RLock()
	n, dynamics := srv.nsps[name], srv.dynamics
	if n != nil {
		n.live.Add(1)
	}
	srv.mu.RUnlock()
	if n == nil {
		n = srv.makeFor(name, auth, dynamics)
	}
	if n != nil && n.announced != nil {
		<-n.announced
	}
	return n
}

// makeFor makes the namespace that a client asks for, if one of dynamics
// accepts its name, with one socket counted in it.
func (srv *Server) makeFor(name string, auth Value, dynamics []*dynamic) *Namespace {
	i := slices.IndexFunc(dynamics, func(d *dynamic) bool { return d.match(name, auth) })
	if i < 0 {
		return nil
	}
	srv.mu.Lock()
	n := srv.nsps[name]
	made := n == nil
	if made {
		n = srv.makeLocked(name, dynamics[i])
	}
	n.live.Add(1)
	hooks := srv.onNew
	srv.mu.Unlock()
	if made {
		n.announce(hooks)
	}
	return n
}

// cleanUp removes a namespace that is one of a pattern or function once it is empty.
func (srv *Server) cleanUp(n *Namespace) {
	if !srv.opts.CleanupEmptyChildNamespaces {
		return
	}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if n.live.Load() == 0 && srv.nsps[n.name] == n {
		delete(srv.nsps, n.name)
		delete(n.parent.list, n.name)
	}
}

// Lookup returns the namespace of that name, without making it, or nil where there
// is none. A leading slash may be missing.
func (srv *Server) Lookup(name string) *Namespace {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	return srv.existing(name)
}

// Remove disconnects the sockets of a namespace from it and forgets its handlers: who
// asks for it from then on gets what its name gets otherwise, a namespace of a pattern,
// perhaps, or a refusal. It reports whether there was one. The main namespace cannot be
// removed. A client that is let in meanwhile stays, without others.
func (srv *Server) Remove(name string) bool {
	n := srv.Lookup(name)
	if n == nil || n.name == "/" {
		return false
	}
	srv.mu.Lock()
	there := srv.nsps[n.name] == n
	if there {
		delete(srv.nsps, n.name)
		if n.parent != nil {
			delete(n.parent.list, n.name)
		}
	}
	srv.mu.Unlock()
	if there {
		n.roster.all.each(func(s *Socket) { s.Disconnect(false) })
	}
	return there
}

// existing returns a namespace without making it.
func (srv *Server) existing(name string) *Namespace {
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	return srv.nsps[name]
}

// Namespaces returns the names of the namespaces there are, those made for
// patterns included.
func (srv *Server) Namespaces() []string {
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	out := make([]string, 0, len(srv.nsps))
	for name := range srv.nsps {
		out = append(out, name)
	}
	return out
}

// allNamespaces returns the namespaces there are, those made for patterns included.
func (srv *Server) allNamespaces() []*Namespace {
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	return slices.Collect(maps.Values(srv.nsps))
}
