package officialwire

import "podium/protocol/emitter"

// emitterID is what the official emitters call themselves.
const emitterID = "emitter"

// Emitter returns one that sends as @socket.io/redis-emitter does. Options.Namespaces
// does not bind it.
func (c Classic) Emitter() emitter.Emitter {
	return emitter.New(classic{emitterLink(c.Options)}.Send)
}

// Emitter returns one that sends as the sharded adapter does, which no official emitter
// can. Options.Namespaces does not bind it.
func (s Sharded) Emitter() emitter.Emitter {
	return emitter.New(sharded{emitterLink(s.Options)}.Send)
}

// Emitter returns one that sends as @socket.io/redis-streams-emitter does, and knows
// Options.StreamCount as well. Options.Namespaces does not bind it.
func (s Streams) Emitter() emitter.Emitter {
	return emitter.New((&streams{link: emitterLink(s.Options)}).Send)
}

func emitterLink(o Options) *link {
	o = o.withDefaults()
	return &link{o: o, self: emitterID, everywhere: true, outbox: newOutbox(o)}
}
