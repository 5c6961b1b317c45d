package socketio

import "podium/protocol/socketio/parser"

// What handlers and options name of package parser.
type (
	// Value is one argument as it came off the wire: see [parser.Value].
	Value = parser.Value
	// Args are the arguments of an event: see [parser.Args].
	Args = parser.Args
	// Binary is bytes that travel as an attachment: see [parser.Binary].
	Binary = parser.Binary
	// Args2 is the argument type of handlers that take two arguments: see [parser.Args2].
	Args2[A, B any] = parser.Args2[A, B]
	// Args3 is Args2 for three.
	Args3[A, B, C any] = parser.Args3[A, B, C]
	// Parser is what [Options.Parser] takes: see [parser.Parser].
	Parser = parser.Parser
	// JSONParser is the official parser: see [parser.JSON].
	JSONParser = parser.JSON
)

// ErrParse is wrapped by errors about messages that break the protocol: see
// [parser.ErrParse].
var ErrParse = parser.ErrParse

// ArgsOf turns Go values into arguments: see [parser.ArgsOf].
func ArgsOf(values ...any) (Args, error) { return parser.ArgsOf(values...) }
