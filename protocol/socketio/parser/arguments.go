package parser

// Args2 is the argument type of handlers that take two arguments, and the
// result type of those that acknowledge with two.
type Args2[A, B any] struct {
	A A
	B B
}

// Args3 is Args2 for three.
type Args3[A, B, C any] struct {
	A A
	B B
	C C
}

// argList is implemented by pointers to types that stand for several
// arguments.
type argList interface {
	decodeArgs(Args) error
	listArgs() []any
}

func (a *Args2[A, B]) decodeArgs(in Args) error { return in.Decode(&a.A, &a.B) }
func (a *Args2[A, B]) listArgs() []any          { return []any{a.A, a.B} }

func (a *Args3[A, B, C]) decodeArgs(in Args) error { return in.Decode(&a.A, &a.B, &a.C) }
func (a *Args3[A, B, C]) listArgs() []any          { return []any{a.A, a.B, a.C} }

// DecodeInto decodes args into a handler's argument type: [Args2] and [Args3] take
// several, Args all of them undecoded, struct{} none, and any other type the first.
func DecodeInto[A any](args Args, a *A) error {
	switch p := any(a).(type) {
	case *Args:
		*p = args
		return nil
	case *struct{}:
		return nil
	case argList:
		return p.decodeArgs(args)
	}
	return args.Get(0).Decode(a)
}

// ResultArgs lists what a handler's result puts into the acknowledgement, by the same
// rules as [DecodeInto].
func ResultArgs[R any](r *R) []any {
	switch p := any(r).(type) {
	case *Args:
		return p.Any()
	case *struct{}:
		return nil
	case argList:
		return p.listArgs()
	}
	return []any{*r}
}
