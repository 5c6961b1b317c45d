// Package codec decodes pictures with the libraries that browsers use, built
// as WebAssembly.
//
// A file goes in; rows of RGB samples come out, one after the other. A decoder
// has no access to anything but the file, and its memory is one block whose
// size is set before it starts: whatever a file claims or a library does, it
// cannot take more than it was charged for. One that fails is thrown away.
//
// The libraries are libjpeg-turbo, libpng with zlib, libwebp, and Little CMS
// for colour profiles (still.wasm.gz), and libheif with libde265 for HEIC and dav1d for
// AVIF (heif.wasm.gz).
// wasm/build.sh builds them; licences holds what they are distributed under.
package codec

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// The modules, which never change.
var (
	//go:embed wasm/still.wasm.gz
	stillCode []byte
	//go:embed wasm/heif.wasm.gz
	heifCode []byte
)

// Kind is a format that is decoded here.
type Kind string

// The kinds, as the functions of the modules are named.
const (
	JPEG Kind = "jpeg"
	PNG  Kind = "png"
	WebP Kind = "webp"
	HEIF Kind = "heif" // with HEVC or AV1 inside: HEIC and AVIF
)

// Codec holds the compiled decoders. It is safe for concurrent use; each
// picture has memory of its own.
type Codec struct {
	runtime     wazero.Runtime
	still, heif module
}

// module is compiled when it is first asked for: that takes time and memory,
// and many servers never need it.
type module struct {
	once     sync.Once
	compiled wazero.CompiledModule
	err      error
}

// New makes a codec, which Close ends.
func New(ctx context.Context) (*Codec, error) {
	c := &Codec{runtime: wazero.NewRuntime(ctx)}
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, c.runtime); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare decoders: %w", err), c.Close())
	}
	host := c.runtime.NewHostModuleBuilder("photo")
	host.NewFunctionBuilder().WithFunc(readPhoto).Export("read")
	host.NewFunctionBuilder().WithFunc(seekPhoto).Export("seek")
	if _, err := host.Instantiate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare decoders: %w", err), c.Close())
	}
	return c, nil
}

// Close gives back what the decoders hold. No picture may be open.
func (c *Codec) Close() error { return c.runtime.Close(context.Background()) }

func (c *Codec) compile(ctx context.Context, m *module, packed []byte) (wazero.CompiledModule, error) {
	m.once.Do(func() {
		var unpacked *gzip.Reader
		if unpacked, m.err = gzip.NewReader(bytes.NewReader(packed)); m.err != nil {
			return
		}
		var code []byte
		if code, m.err = io.ReadAll(unpacked); m.err != nil {
			return
		}
		m.compiled, m.err = c.runtime.CompileModule(context.WithoutCancel(ctx), code)
	})
	if m.err != nil {
		return nil, fmt.Errorf("compile a decoder: %w", m.err)
	}
	return m.compiled, nil
}

// Base is what a decoder takes before it holds anything of a picture, in bytes.
const Base = 2 << 20

// Picture is an open file. Its methods may not be called concurrently.
type Picture struct {
	Info
	kind   Kind
	module api.Module
	ctx    context.Context // of the calls, with what the decoder may use
}

// Info is what a header says.
type Info struct {
	Width, Height int
	Need          int64  // what decoding takes besides Base, in bytes
	Profile       []byte // colour profile (ICC), nil for none
	EXIF          []byte // TIFF data, nil for none
	Upright       bool   // EXIF's orientation does not count
}

// file is what the decoder reads.
type file struct {
	photo []byte
	at    int64
}

type fileKey struct{}

// ErrDamaged says that a file is no whole picture of its kind.
var ErrDamaged = errors.New("the picture is damaged or incomplete")

// ErrUnsupported says that a file uses a part of its format that is not read here, nor
// by most browsers.
var ErrUnsupported = errors.New("the picture is of a kind that is not read")

// ErrMemory says that a decoder asked for more memory than it had.
var ErrMemory = errors.New("the picture needs more memory than its decoder has")

// Open reads the header of a photo. What is decoded may be smaller than the
// picture, but its longer side is not less than side where the picture's isn't.
// The decoder gets limit bytes of memory, which are allocated at once. The
// picture is to be closed.
func (c *Codec) Open(ctx context.Context, kind Kind, photo []byte, side int, limit int64) (*Picture, error) {
	m, code := &c.still, stillCode
	if kind == HEIF {
		m, code = &c.heif, heifCode
	}
	compiled, err := c.compile(ctx, m, code)
	if err != nil {
		return nil, err
	}
	f := &file{photo: photo}
	ctx = context.WithValue(context.WithoutCancel(ctx), fileKey{}, f)
	ctx = experimental.WithMemoryAllocator(ctx, block(limit))
	instance, err := c.runtime.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize"))
	if err != nil {
		return nil, fmt.Errorf("start a decoder: %w", err)
	}
	p := &Picture{kind: kind, module: instance, ctx: ctx}
	if _, err := p.call(string(kind)+"_open", uint64(len(photo)), uint64(side)); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if err := p.readInfo(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Close gives back the decoder's memory.
func (p *Picture) Close() error {
	if err := p.module.Close(p.ctx); err != nil {
		return fmt.Errorf("end a decoder: %w", err)
	}
	return nil
}

// call calls a function of the decoder, and makes its failure an error.
func (p *Picture) call(name string, args ...uint64) (uint64, error) {
	result, err := p.module.ExportedFunction(name).Call(p.ctx, args...)
	if err != nil {
		return 0, p.failure(err)
	}
	if len(result) == 0 {
		return 0, nil
	}
	return result[0], nil
}

// failure reads why the decoder gave up.
func (p *Picture) failure(trap error) error {
	at, err := p.module.ExportedFunction("why").Call(p.ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, trap)
	}
	text, _ := p.module.Memory().Read(uint32(at[0]), 200)
	why, _, _ := bytes.Cut(text, []byte{0})
	if bytes.Contains(why, []byte("emory")) {
		return fmt.Errorf("%w: %s", ErrMemory, why)
	}
	if rest, found := bytes.CutPrefix(why, []byte("unsupported: ")); found {
		return fmt.Errorf("%w: %s", ErrUnsupported, rest)
	}
	if len(why) == 0 {
		return fmt.Errorf("%w: %w", ErrDamaged, trap)
	}
	return fmt.Errorf("%w: %s", ErrDamaged, why)
}

// The fields of struct picture (wasm/photo.h).
const (
	fieldWidth = iota
	fieldHeight
	fieldOutWidth
	fieldOutHeight
	fieldNeed
	fieldDamaged
	fieldICC
	fieldICCSize
	fieldEXIF
	fieldEXIFSize
	fieldUpright
	fields
)

func (p *Picture) fields() ([fields]uint32, error) {
	var out [fields]uint32
	at, err := p.call("about")
	if err != nil {
		return out, err
	}
	raw, ok := p.module.Memory().Read(uint32(at), 4*fields)
	if !ok {
		return out, ErrDamaged
	}
	for i := range out {
		out[i] = binary.LittleEndian.Uint32(raw[4*i:])
	}
	return out, nil
}

func (p *Picture) readInfo() error {
	f, err := p.fields()
	if err != nil {
		return err
	}
	copied := func(at, size uint32) []byte {
		if at == 0 || size == 0 {
			return nil
		}
		view, _ := p.module.Memory().Read(at, size)
		return bytes.Clone(view)
	}
	p.Info = Info{
		Width: int(f[fieldWidth]), Height: int(f[fieldHeight]), Need: int64(f[fieldNeed]), Upright: f[fieldUpright] != 0,
		Profile: copied(f[fieldICC], f[fieldICCSize]), EXIF: copied(f[fieldEXIF], f[fieldEXIFSize]),
	}
	return nil
}

// Rows decodes the picture: start is called once with the size of what comes
// out, each with every row of RGB samples, which are the decoder's. What is
// transparent is on white. Colours are converted to sRGB where convert is set
// and the profile is one of RGB, and as they are in the file otherwise.
func (p *Picture) Rows(convert bool, start func(w, h int), each func(row []byte)) error {
	if _, err := p.call(string(p.kind) + "_start"); err != nil {
		return err
	}
	if convert && p.Profile != nil {
		if _, err := p.call("colour_open"); err != nil {
			return err
		}
	}
	f, err := p.fields()
	if err != nil {
		return err
	}
	w, h := f[fieldOutWidth], f[fieldOutHeight]
	start(int(w), int(h))
	for range h {
		at, err := p.call(string(p.kind) + "_row")
		if err != nil {
			return err
		}
		row, ok := p.module.Memory().Read(uint32(at), 3*w)
		if !ok {
			return ErrDamaged
		}
		each(row)
	}
	if f, err = p.fields(); err != nil {
		return err
	}
	if f[fieldDamaged] != 0 {
		return ErrDamaged
	}
	return nil
}

func readPhoto(ctx context.Context, m api.Module, at, size uint32) uint32 {
	f := ctx.Value(fileKey{}).(*file)
	to, ok := m.Memory().Read(at, size)
	if !ok || f.at >= int64(len(f.photo)) {
		return 0
	}
	n := copy(to, f.photo[f.at:])
	f.at += int64(n)
	return uint32(n)
}

func seekPhoto(ctx context.Context, offset int64) {
	ctx.Value(fileKey{}).(*file).at = max(0, offset)
}

// block is the memory of one decoder: allocated at once, so that it is never
// copied when it grows, and never more. It is the limit, in bytes.
type block int64

// Allocate implements experimental.MemoryAllocator.
func (b block) Allocate(_, _ uint64) experimental.LinearMemory {
	return &linear{memory: make([]byte, 0, b)}
}

type linear struct{ memory []byte }

// Reallocate implements experimental.LinearMemory; nil where the memory ends.
func (l *linear) Reallocate(size uint64) []byte {
	if size > uint64(cap(l.memory)) {
		return nil
	}
	l.memory = l.memory[:size]
	return l.memory
}

// Free implements experimental.LinearMemory.
func (l *linear) Free() { l.memory = nil }
