package emitter_test

import (
	"context"
	"fmt"

	"podium/protocol/emitter"
	"podium/protocol/socketio"
)

// An emitter comes from where the servers meet: see the table of the package. Who has a way
// of his own to hand messages to the servers makes one for that.
func ExampleNew() {
	e := emitter.New(func(_ context.Context, m *socketio.Message) error {
		fmt.Println(m.Namespace, m.Rooms, m.Except, m.Event, string(m.Args[0]))
		return nil
	})
	ctx := context.Background()
	shop := e.Of("/shop") // may be kept
	fmt.Println(shop.To("orders").Except("away").Emit(ctx, "paid", 17))
	// Output:
	// /shop [orders] [away] paid 17
	// <nil>
}
